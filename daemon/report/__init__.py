"""The report of a day or of several: what was traded, earned, risked, and what went wrong.

In reading order: `period`, `facts` (from the store), `mids` (from the journals), `results` (profit and fees),
`quality` (mark-outs, slippage, calibration), `risk`, `figures` (all of it), `page` (as HTML). It only reads.
"""
