"""The report of a day or of several: what was traded, earned, risked, and what went wrong.

In reading order: `period`, `facts` (from the store), `mids` (from the journals), `results` (profit and fees),
`quality` (mark-outs, slippage, calibration), `figures` (all of it together), `page` (as HTML). It only reads.
"""
