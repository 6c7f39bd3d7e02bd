"""The features of the event, from the history alone."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

from tests.core.feature_twins.history import History, Peer

Points = list[tuple[int, Fraction]]


def standing(history: History) -> list[Peer]:
    """The markets of the event, the told one among them, as they are quoted now."""
    live = history.live()
    own = Peer(history.kind, history.strike)
    if live:
        bid, bid_size, ask, ask_size = live[-1].best
        own.is_synced = True
        own.twice_mid = bid + ask if bid_size or ask_size else None
    return [own, *history.peers.values()]


def mid_sum(history: History) -> float | None:
    quotes = [peer.twice_mid for peer in standing(history) if not peer.has_ended]
    known = [quote for quote in quotes if quote is not None]
    return sum(known) / 20_000 if history.is_exclusive and 0 < len(known) == len(quotes) else None


def lowest(peer: Peer) -> tuple[int, int] | None:
    if peer.number is None:
        return None
    order = {"below": 0, "between": 1, "above": 2}[peer.kind]
    return peer.number, order


def rank(history: History) -> tuple[int, int] | None:
    own, *others = standing(history)
    mine = lowest(own)
    if mine is None:
        return None
    places = [place for place in map(lowest, others) if place is not None]
    return sum(place < mine for place in places), len(places)


def pooled(values: list[Fraction]) -> list[Fraction]:
    """The nearest sequence that never rises: the min-max formula of isotonic regression."""
    found = []
    for place in range(len(values)):
        best = None
        for start in range(place + 1):
            means = [
                sum(values[start : end + 1], Fraction(0)) / (end + 1 - start)
                for end in range(place, len(values))
            ]
            best = max(means) if best is None else min(best, max(means))
        assert best is not None
        found.append(best)
    return found


def nested(peers: list[Peer]) -> Points | None:
    known = []
    for peer in peers:
        if peer.twice_mid is not None:
            assert peer.number is not None
            above = Fraction(peer.twice_mid, 20_000)
            known.append((peer.number, 1 - above if peer.kind == "below" else above))
    known.sort()
    numbers = [number for number, _ in known]
    if len(numbers) < 2 or len(set(numbers)) < len(numbers):
        return None
    return list(zip(numbers, pooled([one for _, one in known]), strict=True))


def partition(peers: list[Peer]) -> Points | None:
    """Of ranges that the test makes whole: each is followed closely by the next."""
    ordered = sorted(peers, key=lambda peer: lowest(peer) or (0, 0))
    quotes = [peer.twice_mid for peer in ordered if peer.twice_mid is not None]
    if len(quotes) < len(ordered) or not sum(quotes):
        return None
    points = []
    for place, peer in enumerate(ordered):
        assert peer.number is not None
        if peer.kind != "below":
            points.append((peer.number, Fraction(sum(quotes[place:]), sum(quotes))))
    if ordered[-1].kind == "between":
        assert ordered[-1].top is not None
        points.append((ordered[-1].top, Fraction(0)))
    return points


def implied(history: History, percent: int) -> float | None:
    peers = [peer for peer in standing(history) if not peer.has_ended]
    if any(not peer.is_synced or peer.number is None for peer in peers):
        return None
    is_partition = any(peer.kind == "between" for peer in peers)
    points = partition(peers) if is_partition else nested(peers)
    if points is None:
        return None
    above = Fraction(100 - percent, 100)
    if points[0][1] == above:
        return float(points[0][0])
    for (low, high_chance), (high, low_chance) in itertools.pairwise(points):
        if high_chance > above >= low_chance:
            return float(low + (high_chance - above) / (high_chance - low_chance) * (high - low))
    return None


def event_row(history: History, now: int) -> dict[str, float | None]:
    assert now
    place = rank(history)
    row: dict[str, float | None] = {
        "event_mid_sum": mid_sum(history),
        "ladder_rank": None if place is None else float(place[0]),
        "ladder_place": None if place is None or not place[1] else place[0] / place[1],
    }
    for percent in (10, 50, 90):
        found = implied(history, percent)
        row[f"implied_quantile_{percent}"] = None if found is None else found / 10**6
        price = history.prices[-1][1] if history.prices else None
        is_known = found is not None and price is not None
        row[f"implied_return_{percent}"] = math.log(found) - math.log(price) if is_known else None  # type: ignore[arg-type]
    return row
