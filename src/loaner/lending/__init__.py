"""One credential for one call: journalled before it is minted, used once, given back on every way out."""
