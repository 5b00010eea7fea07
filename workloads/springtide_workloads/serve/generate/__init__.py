"""Continuous batching: text for many requests at a time, which join and leave at each step.

| file | what it holds |
|---|---|
| request | `Generate`, `Tokens`: what is asked, what is answered |
| engine, checks, options | `Generation`: behind a line; what it refuses; what may be chosen |
| served, adapters, build, compiled | from exports to batches |
| batch, group, sequence, rows | who is computed together, and a step of it |
| kernel, cache, pages | a forward pass, keys and values in pages, whose page is whose |
| sampling, stops | which token comes next, where a text ends |
| static, played | the same requests by two policies, for benchmarks |

What holds of equal answers: with temperature 0 and in float32, tokens are those of the plain module read anew for each token.
With a seed, draws depend on the seed and the count of tokens alone, so who else is computed cannot change them; logits can
differ in their last bits with the size of a batch, and a draw within such a distance of a boundary then falls on the other
side. On one CPU thread no bit of the logits differed wherever it was tried, on two they differed by 1e-6.
"""
