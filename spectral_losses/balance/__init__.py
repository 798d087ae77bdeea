"""Shares of influence in place of loss weights.

`influence` measures at the prediction how strongly each loss pulls, `rule` makes weights of that without side effects,
for plain floats and for 0-d arrays alike, and `balancer` remembers the state between calls.
"""

from spectral_losses.balance.balancer import Balancer
from spectral_losses.balance.influence import influences
from spectral_losses.balance.rule import BalancerState

__all__ = ["Balancer", "BalancerState", "influences"]
