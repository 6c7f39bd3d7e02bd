"""The stakes under which wealth grows fastest: expected log wealth, maximised over a box and a budget.

    maximise  F(y) = sum_s chance_s * ln(wealth_s + sum_j y_j * yield_js)
    over      0 <= y_j <= most_j  and  sum_j y_j <= budget

F is concave, so a point whose *gap* is zero is the optimum: `gap` is the most that a linear upper bound of F
gains over the whole feasible set, and thus bounds how much any other stakes could be better. It is a proof
that comes with each answer, whatever way led there.

The way: a primal active-set method. Variables at a bound stay there while the others take Newton steps, cut
where one meets a bound or the budget; once they stand still, the constraint whose multiplier has the most
wrong sign is let go. Without dependencies, randomness or sets: the same numbers in, the same numbers out.

Source: Kelly 1956; active sets and Newton steps as in Nocedal and Wright, Numerical Optimization, 2006,
chapter 16; the gap is that of Frank and Wolfe 1956.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from operator import mul

import msgspec

ROUNDS_MAX = 400
"""Newton steps and changes of the working set together; problems of 30 states need some 60."""
_STILL = 1e-11
"""A step smaller than this in every stake (a share of the wealth) is none."""
_FLAT = 1e-21
"""A step that promises less log growth than this (twice what it would gain) is none either."""
_WRONG = 1e-10
"""A multiplier's sign is wrong beyond this, in log growth per share of the wealth."""
_RIDGE = 1e-12
_HALVINGS_MAX = 40


class Growth(msgspec.Struct, frozen=True):
    """The best stakes, and the proof: no other feasible ones have an F that is higher by more than `gap`."""

    stakes: tuple[float, ...]
    gap: float


class _Search:
    """One search: the stakes so far, which of them are free, and whether the budget binds."""

    def __init__(
        self,
        chances: Sequence[float],
        wealth: Sequence[float],
        yields: Sequence[Sequence[float]],
        most: Sequence[float],
        budget: float,
    ) -> None:
        self.chances = chances
        self.yields = yields
        self.most = most
        self.budget = budget
        self.wealth = list(wealth)
        self.stakes = [0.0] * len(yields)
        self.free: list[int] = []
        self.is_bound = False
        self.spent = 0.0

    def slopes(self) -> list[float]:
        """Return dF/dy of every stake."""
        weights = [chance / wealth for chance, wealth in zip(self.chances, self.wealth, strict=True)]
        return [sum(map(mul, weights, row)) for row in self.yields]

    def newton(self) -> tuple[list[float], float]:
        """Return the Newton step of the free stakes, and the budget's multiplier, 0 unless it binds."""
        rows = [self.yields[place] for place in self.free]
        weights = [chance / wealth for chance, wealth in zip(self.chances, self.wealth, strict=True)]
        bends = [weight / wealth for weight, wealth in zip(weights, self.wealth, strict=True)]
        system: list[list[float]] = []
        for index, row in enumerate(rows):
            bent = list(map(mul, bends, row))
            # Below the diagonal it is the mirror image; to the right stand the two sides to solve for.
            line = [system[other][index] for other in range(index)]
            line += [sum(map(mul, bent, other)) for other in rows[index:]]
            line += [sum(map(mul, weights, row)), 1.0]
            system.append(line)
        # What all slopes share is the multiplier's: taken off first, it doesn't drown the rest.
        shared = sum(line[-2] for line in system) / len(system) if self.is_bound else 0.0
        for line in system:
            line[-2] -= shared
        # Stakes whose outcomes depend on each other make the system singular; the ridge picks one answer.
        ridge = _RIDGE * (max(line[index] for index, line in enumerate(system)) + 1.0)
        for index, line in enumerate(system):
            line[index] += ridge
        steps, units = _solve(system)
        if not self.is_bound:
            return steps, 0.0
        multiplier = sum(steps) / sum(units)
        steps = [step - multiplier * unit for step, unit in zip(steps, units, strict=True)]
        return steps, shared + multiplier

    def move(self, step: list[float]) -> bool:
        """Go along a step as far as it leads up and stays feasible; what stops it leaves the free stakes.

        False where it leads nowhere: the free stakes stand at their best.
        """
        if max(map(abs, step)) <= _STILL:
            return False
        reach, blocker = self._reach(step)
        drift = [0.0] * len(self.wealth)
        for place, change in zip(self.free, step, strict=True):
            drift = [total + change * gain for total, gain in zip(drift, self.yields[place], strict=True)]
        length = min(1.0, reach)
        slope = self._slope(drift, 0.0)
        if slope <= _FLAT:
            return False
        for _ in range(_HALVINGS_MAX):
            if self._slope(drift, length) >= -0.1 * slope:
                break
            length /= 2
        else:
            return False
        stakes = self.stakes
        for place, change in zip(self.free, step, strict=True):
            stakes[place] = min(max(stakes[place] + length * change, 0.0), self.most[place])
        self.wealth = [total + length * change for total, change in zip(self.wealth, drift, strict=True)]
        self.spent = sum(stakes)
        if length == reach and blocker is not None:
            if blocker < 0:
                self.is_bound = True
            else:
                stakes[blocker] = 0.0 if stakes[blocker] * 2 < self.most[blocker] else self.most[blocker]
                self.free.remove(blocker)
        return True

    def _reach(self, step: list[float]) -> tuple[float, int | None]:
        """Return how many times the step fits, and the stake that stops it; -1 for the budget."""
        reach, blocker = inf, None
        for place, change in zip(self.free, step, strict=True):
            if change < 0:
                length = self.stakes[place] / -change
            elif change > 0:
                length = (self.most[place] - self.stakes[place]) / change
            else:
                continue
            if length < reach:
                reach, blocker = length, place
        pace = sum(step)
        if not self.is_bound and pace > 0 and (self.budget - self.spent) / pace < reach:
            reach, blocker = max(0.0, (self.budget - self.spent) / pace), -1
        return reach, blocker

    def _slope(self, drift: list[float], length: float) -> float:
        """Return dF along a drift of the wealth after `length` of it; minus infinity once ruined."""
        total = 0.0
        for chance, wealth, change in zip(self.chances, self.wealth, drift, strict=True):
            after = wealth + length * change
            if after <= 0:
                return -inf
            total += chance * change / after
        return total

    def release(self, multiplier: float) -> bool:
        """Let the constraint go whose multiplier is the most wrong; False when none is: the optimum."""
        slopes = self.slopes()
        up, up_at, down, down_at = -inf, -1, inf, -1
        for place, slope in enumerate(slopes):
            if place in self.free or not self.most[place]:
                continue
            if self.stakes[place] <= 0.0:
                if slope > up:
                    up, up_at = slope, place
            elif slope < down:
                down, down_at = slope, place
        if self.is_bound and not self.free:
            # Nothing moves alone along the budget: what is worth more takes from what is worth less.
            if up > 0 and up - down > _WRONG:
                self.free = sorted((up_at, down_at))
                return True
            multiplier = max(0.0, up)
        worst, what = _WRONG, None
        if up - multiplier > worst:
            worst, what = up - multiplier, up_at
        if multiplier - down > worst:
            worst, what = multiplier - down, down_at
        if self.is_bound and -multiplier > worst:
            self.is_bound = False
            return True
        if what is None:
            return False
        self.free.append(what)
        self.free.sort()
        return True

    def gap(self) -> float:
        """Return the most that the linear bound at these stakes gains over the feasible set."""
        slopes = self.slopes()
        left, best = self.budget, 0.0
        for place in sorted(range(len(slopes)), key=slopes.__getitem__, reverse=True):
            if slopes[place] <= 0 or left <= 0:
                break
            taken = min(left, self.most[place])
            best += taken * slopes[place]
            left -= taken
        reached: float = sum(map(mul, slopes, self.stakes))
        return max(0.0, best - reached)


def _solve(system: list[list[float]]) -> tuple[list[float], list[float]]:
    """Return the solutions of a symmetric positive definite system with two right sides, by elimination."""
    size = len(system)
    for index in range(size):
        line = system[index]
        pivot = line[index]
        for below in system[index + 1 :]:
            if factor := below[index] / pivot:
                for place in range(index + 1, size + 2):
                    below[place] -= factor * line[place]
    first, second = [0.0] * size, [0.0] * size
    for index in range(size - 1, -1, -1):
        line = system[index]
        known = line[index + 1 : size]
        first[index] = (line[size] - sum(map(mul, known, first[index + 1 :]))) / line[index]
        second[index] = (line[size + 1] - sum(map(mul, known, second[index + 1 :]))) / line[index]
    return first, second


def grow(
    chances: Sequence[float],
    wealth: Sequence[float],
    yields: Sequence[Sequence[float]],
    most: Sequence[float],
    budget: float,
) -> Growth:
    """Return the stakes of the highest expected log wealth. See the module's head.

    Args:
        chances: the states' probabilities, shape (states,).
        wealth: what we have in each state before the stakes, shape (states,); best in units of all we have.
        yields: what a unit of each stake adds in each state, shape (stakes, states).
        most: the upper bound of each stake, shape (stakes,).
        budget: the upper bound of their sum.

    Raises:
        ValueError: a wealth that is not above 0, a bound below 0, or shapes that don't fit.
    """
    if min(wealth, default=1.0) <= 0:
        raise ValueError(f"a state without wealth: {min(wealth)!r}")
    if budget < 0 or min(most, default=0.0) < 0:
        raise ValueError("a bound below zero")
    if len(chances) != len(wealth) or len(most) != len(yields):
        raise ValueError("chances and wealth go by state, yields and bounds by stake")
    search = _Search(chances, wealth, yields, [min(one, budget) for one in most], budget)
    if not budget:
        return Growth(tuple(search.stakes), 0.0)
    for _ in range(ROUNDS_MAX):
        step, multiplier = search.newton() if search.free else ([], 0.0)
        if not (step and search.move(step)) and not search.release(multiplier):
            break
    # Steps along the budget sum to nothing but for rounding, which adds up where stakes depend on each other.
    if (spent := sum(search.stakes)) > budget:
        search.stakes = [stake * (budget / spent) for stake in search.stakes]
    return Growth(tuple(search.stakes), search.gap())
