"""What the records show to an auditor: who had which access, when, why and by whose approval, line by line with proof.

A report is made of records and one signed checkpoint, and of nothing else: no clock, no setting, no table. So it can be
made again from an export, and is the same to the byte.
"""
