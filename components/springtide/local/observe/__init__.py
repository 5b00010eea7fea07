"""How an environment stands: nodes and what they cost, how far jobs have come, what services answer."""
