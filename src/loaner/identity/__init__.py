"""Who asks: people and agents, the tokens that say so, and the issuers that vouch for them."""
