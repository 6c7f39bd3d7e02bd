"""The seeded past: a path that ends where it should, candles that fit their trades."""

from daemon.core.units import MINUTE, PRICE_ONE, SECOND
from daemon.sandbox.flows.past import NO_ASK, NO_BID, PastMarketMaker, fair_value, walk
from daemon.sandbox.flows.schedule import quarter_spec
from daemon.sandbox.flows.spot import Index, SpotModel, seeded


def drawn(fair: float) -> PastMarketMaker:
    maker = PastMarketMaker(quarter_spec(0, 85_000_000_000), seeded("past"))
    for second in range(1, 301):
        maker.second(fair, second * SECOND)
    return maker


def test_the_path_ends_at_the_price_that_is_asked_for() -> None:
    """And so does the model, so that the present goes on from the past."""
    model = SpotModel(seeded(1), 50_000.0)
    path = walk(model, 0, 100 * SECOND, 84_321.0)

    assert (101, 0, 84_321.0, 84_321.0) == (len(path), path[0][0], round(path[-1][1], 6), model.price)


def test_candles_add_up_to_the_trades() -> None:
    """Volume, first, last, highest and lowest price, by minute; prices that the tick table allows."""
    maker = drawn(0.5)

    assert [minute * MINUTE for minute in range(1, 6)] == [candle.ended_at for candle in maker.candles]
    assert maker.volume == sum(candle.volume for candle in maker.candles)
    for candle in maker.candles:
        trades = [each for each in maker.trades if candle.ended_at - MINUTE < each.at <= candle.ended_at]
        prices = [each.price for each in trades]
        assert candle.price is not None
        assert (prices[0], max(prices), min(prices), prices[-1]) == (
            candle.price.open, candle.price.high, candle.price.low, candle.price.close
        )  # fmt: skip
        assert candle.bid.close < candle.ask.close


def test_near_certainty_a_side_may_be_missing() -> None:
    """No bid is written as 0 and no ask as 1 $, as the venue writes them."""
    assert {NO_BID} == {candle.bid.low for candle in drawn(0.0001).candles}
    assert {NO_ASK} == {candle.ask.high for candle in drawn(0.9999).candles}
    assert PRICE_ONE == NO_ASK


def test_fair_value_counts_the_stamped_values_only_in_the_last_minute() -> None:
    """Half a minute before the close, thirty values far above decide."""
    spec, index = quarter_spec(0, 85_000_000_000), Index()
    for at in range(spec.close_at - 100 * SECOND, spec.close_at - 30 * SECOND, SECOND):
        index.add(at, 90_000_000_000)

    assert fair_value(spec, 85_000_000_000, 85_000.0, 1e-4, index, spec.close_at - 31 * SECOND) > 0.99
    assert 0.5 == round(
        fair_value(spec, 85_000_000_000, 85_000.0, 1e-4, index, spec.close_at - 90 * SECOND), 9
    )
