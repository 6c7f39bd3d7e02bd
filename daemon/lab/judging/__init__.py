"""Judging: what a model is worth, by figures that say how sure they are.

In reading order: `arrays` (what may be judged), `blocks` (intervals from independent outcomes), `scores`,
`reliability`, `calibration`, `mids`, `skill`, `execution`; then what trading made of it: `equity`, `trading`,
`selection`; and `report`, drawn by `page` and `charts` on `sheet`. `held_out` judges the demo model.
"""
