"""The price of the underlying as Kraken tells it: its WebSocket v2 and its REST candles."""
