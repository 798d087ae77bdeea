"""What joins the library to training frameworks; each module needs the framework of its name, and none the others.

`torch`: a criterion for any PyTorch loop, and means over the ranks of a distributed run. `balance`: a criterion with
shares in place of weights. `lightning`, `transformers`: a callback. `keras`: a criterion, a callback and a metric.
`torchmetrics`: metrics. What the callbacks share needs no framework. Nothing else in the library imports these modules.
"""
