"""The answers of `why` and `explain` as lines for people: what a retelling found, in words and units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from daemon.core import events as e
from daemon.core.commands import AmendOrder, CancelOrder, PlaceOrder, ProbeOrder, WithdrawOrder
from daemon.core.risk.refusals import amount
from daemon.core.strategy import Target
from daemon.core.units import MILLISECOND, MONEY_ONE, PRICE_ONE, QTY_ONE, SECOND, Money, Ns, Price, Qty
from daemon.shell.order_checks import Check
from daemon.shell.order_story import Judged, OrderStory, Result, Seen, Told
from daemon.shell.order_trail import Answer, OrderRecord, OwnCommand, Trail, at_of
from daemon.shell.why import REFUSED, StrategyChain


def clock(at: Ns) -> str:
    """Return an instant as date and time in UTC, to the millisecond."""
    whole = datetime.fromtimestamp(at // SECOND, UTC)
    return f"{whole:%Y-%m-%d %H:%M:%S}.{at % SECOND // MILLISECOND:03d}"


def time_of(at: Ns) -> str:
    """Return an instant's time of day in UTC, to the millisecond."""
    return clock(at)[11:]


def cents(price: Price) -> str:
    """Return a YES price in cents."""
    return f"{price / 100:g}c"


def contracts(qty: Qty) -> str:
    """Return a number of contracts."""
    return f"{qty / QTY_ONE:,.2f}"


def span(length: Ns) -> str:
    """Return a length of time: in milliseconds below a second."""
    return f"{length / MILLISECOND:.1f} ms" if abs(length) < SECOND else f"{length / SECOND:,.1f} s"


def dollars(money: Money) -> str:
    """Return an amount in dollars."""
    sign = "-" if money < 0 else ""
    return f"{sign}${abs(money) / MONEY_ONE:,.4f}"


def chain_lines(chain: StrategyChain) -> Iterator[str]:
    """Yield how far one strategy came, and what stopped it."""
    markets = "1 market" if chain.markets == 1 else f"{chain.markets:,} markets"
    looks = "1 look" if chain.looks == 1 else f"{chain.looks:,} looks"
    yield f"{chain.strategy}: {looks} at {markets}"
    left = chain.looks
    for stage, count in chain.stopped.items():
        if stage == "trades":
            continue
        left -= count
        yield f"  {stage:<10} {count:>9,} stopped here, {left:,} went on"
        yield from _reasons(chain, stage)
    made = ", ".join(f"{count:,} {what}" for what, count in chain.made.items())
    yield f"  {'wanted':<10} {chain.stopped.get('trades', 0):>9,} looks wanted something" + (
        f"; orders: {made}" if made else ""
    )
    yield from _reasons(chain, REFUSED)
    if chain.near_miss is not None:
        near = chain.near_miss
        found = f"edge {near.edge * 100:.1f}c below cost {near.cost * 100:.1f}c"
        yield f"  nearest miss: {found}, {near.ticker} at {time_of(near.at)}"


def _reasons(chain: StrategyChain, stage: str) -> Iterator[str]:
    for reason in chain.reasons:
        if reason.stage == stage:
            yield f"  {'':<10} {reason.count:>9,} × {reason.text}   (last {time_of(reason.last_at)})"


def life_lines(trail: Trail, story: OrderStory, result: Result) -> Iterator[str]:
    """Yield an order's whole life, in the order in which it happened."""
    place = trail.place
    side = "buy YES" if place.side == "bid" else "buy NO (sell YES)"
    yield f"order {place.client_order_id} (the venue's: {trail.order_id or 'none'}), {place.strategy}"
    yield f"  {side}: {contracts(place.qty)} at {cents(place.price)} in {place.ticker}, {_style(place)}"
    told = {one.at: one for one in story.told}
    is_first = True
    for number, record in enumerate(trail.records):
        at = at_of(record)
        if isinstance(record, e.QueuePlacesRead):
            if not _is_among_readings(trail.records, number):
                yield f"{clock(at)}  queue     {_place_words(record, story)}"
            continue
        if at in told and isinstance(record, PlaceOrder | AmendOrder):
            yield f"{clock(at)}  decided"
            yield from _told_lines(told.pop(at), has_features=is_first)
            is_first = False
        yield f"{clock(at)}  {_record_words(record, place)}"
        if isinstance(record, e.OrderAccepted) and record.action == "place" and place.post_only:
            yield f"    {_queue_words(story)}"
    if trail.left_out:
        yield f"({trail.left_out:,} records in the middle are left out)"
    yield from _result_lines(result)


def _is_among_readings(records: Sequence[OrderRecord], number: int) -> bool:
    """Whether two readings of the queue stand before this one and two after it: those tell enough."""
    near = records[max(0, number - 2) : number + 3]
    return len(near) == 5 and all(isinstance(one, e.QueuePlacesRead) for one in near)


def _place_words(record: e.QueuePlacesRead, story: OrderStory) -> str:
    (place,) = record.places
    standing, accepted_at = story.standing.get(record.received_at), story.accepted_at
    of = "" if standing is None else f" of {contracts(standing)}"
    where = f"{contracts(place.ahead)}{of} contracts at {cents(place.price)} stood ahead of it"
    if accepted_at is None:
        return where
    return f"{where}, {(record.received_at - accepted_at) / SECOND:.1f} s after the yes"


def _style(place: PlaceOrder) -> str:
    return "to rest, post-only" if place.post_only else "to trade at once, the rest is cancelled"


def _queue_words(story: OrderStory) -> str:
    ahead = story.ahead_at_most
    if ahead is None:
        return "queue: the book at its price was not seen after that"
    return f"queue: {contracts(ahead)} contracts stood at its price, ours among them: no more can be ahead"


def _told_lines(told: Told, *, has_features: bool) -> Iterator[str]:
    if not told.is_same:
        yield "    the code of today does not give this order here: what it was decided on can't be told"
        return
    if told.seen is None:
        yield "    no strategy was asked: it gives up a position"
    else:
        yield from _seen_lines(told.seen, has_features=has_features)
    reason = told.reason
    if reason is not None:
        figures = ""
        if reason.edge is not None and reason.cost is not None:
            figures = f"; to take: edge {reason.edge * 100:.1f}c, cost {reason.cost * 100:.1f}c"
        yield f"    edge      {reason.text}{figures}"
        yield f"    wanted    {'; '.join(map(_target, told.wanted)) or 'nothing'}"
    if told.judged is not None:
        yield from _judged_lines(told.judged, has_figures=has_features)


def _judged_lines(judged: Judged, *, has_figures: bool) -> Iterator[str]:
    """Yield the checks; with their figures for the first decision only, and for all as JSON."""
    verdict = f"refused: {judged.refused}" if judged.refused else "passed"
    yield f"    checks    {verdict}{'; each by what it refuses:' if has_figures else ''}"
    if not has_figures:
        return
    asked = [one for one in judged.checks if one.value is not None and one.limit is not None]
    for check in asked:
        yield f"      {check.name:<28} {_figure(check)}{' (broken)' if check.is_broken else ''}"
    off = [one.name for one in judged.checks if one.unit != "words" and one.limit is None]
    idle = [one.name for one in judged.checks if one.value is None and one.limit is not None]
    plain = [one.name for one in judged.checks if one.unit == "words" and not one.is_broken]
    broken = [one.name for one in judged.checks if one.is_broken]
    for what, names in (
        ("passed, without a figure", plain), ("not of this order", idle), ("off", off),
        ("broken, but what only reduces passes" if not judged.refused else "broken", broken),
    ):  # fmt: skip
        if names:
            yield f"      {what}: {', '.join(names)}"


def _figure(check: Check) -> str:
    assert check.value is not None, "a check without a figure is told by its name"
    assert check.limit is not None, "one that is off, too"
    if check.unit == "seconds":
        return f"{span(check.value)}, {check.bound} {span(check.limit)}"
    words = "" if check.unit == "count" else f" {check.unit}"
    return f"{amount(check.value, check.unit)}, {check.bound} {amount(check.limit, check.unit)}{words}"


def _seen_lines(seen: Seen, *, has_features: bool) -> Iterator[str]:
    """Yield what was seen; the features are told of the first decision only, and of all as JSON."""
    for name, levels in (("bids", seen.bids), ("asks", seen.asks)):
        shown = ", ".join(f"{cents(price)} × {contracts(size)}" for price, size in levels)
        yield f"    {name:<9} {shown or 'none'}"
    age = "unknown" if seen.book_age is None else f"{seen.book_age / MILLISECOND:.1f} ms"
    yield f"    book      changed {age} ago; closes in {seen.time_to_close / SECOND:,.0f} s"
    if has_features:
        yield "    features"
    for feature, value in seen.features.items() if has_features else ():
        yield f"      {feature:<28} {'unknown' if value is None else f'{value:.6g}'}"
    score = "none" if seen.score is None else f"{seen.score:.4f}"
    yield f"    P(YES)    {score} by {seen.model or 'no model'}"
    capital = "" if seen.capital is None else f", its capital {dollars(seen.capital)}"
    own = f"{contracts(seen.position)} held, {contracts(seen.own_position)} of it its own"
    yield f"    size      {own}; equity {dollars(seen.equity)}{capital}"


def _target(target: Target) -> str:
    return f"{target.style} {target.side} {contracts(target.qty)} at {cents(target.price)}"


def _record_words(  # noqa: C901 - one flat table of records
    record: OwnCommand | Answer | e.OrderFilled | e.MarketDetermined, place: PlaceOrder
) -> str:
    match record:
        case PlaceOrder():
            return f"intent    place, {record.purpose}: {record.reason}; not after {time_of(record.deadline)}"
        case AmendOrder(purpose="keep"):
            return "intent    amend: it may rest on"
        case AmendOrder():
            return f"intent    amend to {contracts(record.qty)} at {cents(record.price)}: {record.reason}"
        case CancelOrder():
            return f"intent    cancel: {record.reason}"
        case WithdrawOrder():
            return f"intent    withdraw from our queue: {record.reason}"
        case ProbeOrder():
            return "intent    probe: did it arrive?"
        case e.OrderAccepted():
            return f"accepted  {record.action}: {_wire(record, place)}{contracts(record.remaining)} remain"
        case e.OrderRejected():
            return f"rejected  {record.action}: {record.code} {record.details}".rstrip()
        case e.OrderUnknown():
            return f"unknown   {record.action}: {record.reason}"
        case e.OrderDropped():
            return f"dropped   {record.action} before it left: {record.reason}"
        case e.OrderUpdated():
            why = f" ({record.reason})" if record.reason else ""
            left = f"{contracts(record.filled)} filled, {contracts(record.remaining)} remain"
            return f"stream    {record.status}{why}: {left}"
        case e.OrderFilled():
            how = "as taker" if record.is_taker else "as maker"
            price, fee = cents(record.price), dollars(record.fee)
            return f"fill      {contracts(record.qty)} at {price} {how}, fee {fee}"
        case e.MarketDetermined():
            return f"ended     {record.result}: YES pays {cents(record.settlement_price)}"


def _wire(record: e.OrderAccepted, place: PlaceOrder) -> str:
    """Return how long the request waited in our queue, and how long the venue took."""
    if record.asked_at is None:
        return ""
    took = f"answered after {(record.received_at - record.asked_at) / MILLISECOND:.2f} ms, "
    if record.action != "place":
        return took
    return f"sent {(record.asked_at - place.decided_at) / MILLISECOND:.2f} ms after the decision, {took}"


def _result_lines(result: Result) -> Iterator[str]:
    if not result.filled or result.price_mean is None:
        yield "result: nothing was filled"
        return
    mean = f"{result.price_mean * 100:.2f}c"
    yield f"result: {contracts(result.filled)} filled at {mean} on average, fees {dollars(result.fees)}"
    if result.pnl is None or result.valued_at is None:
        yield "P&L: unknown, the market has not ended and was not quoted after it"
        return
    how = "settled at" if result.is_final else "not settled; at the mid of"
    when = "" if result.marked_at is None else f", {clock(result.marked_at)}"
    yield f"P&L: {dollars(result.pnl)} after fees ({how} {result.valued_at * PRICE_ONE / 100:g}c{when})"
