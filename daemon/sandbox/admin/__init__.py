"""The operator's side: an HTTP endpoint of its own, by which tests and people move the venue.

`GET /` lists all calls with the fields of their bodies. In short:

    GET  /state                     clock, markets, account, pauses, faults, load
    POST /clock/advance             {"ms"}: moves a clock that stands (--speed manual)
    POST /series /markets           describe a series; make markets (`count`), with event and series
    POST /book /orders              quote a book; trade, as the house
    POST /markets/deactivate /markets/activate /markets/close /markets/grid /markets/strike
    POST /markets/determine /markets/dispute /markets/amend /markets/settle
    POST /events/fees               an event's own fee rule
    POST /exchange/pause /exchange/resume /exchange/maintenance
    POST /account/deposit /account/tier
    POST /read_lag /stream/limits /spot /reference/system
    GET  /faults  POST /faults /faults/clear      see `daemon.sandbox.faults.registry`
    GET  /load    POST /load/start /load/stop     a seeded stream of book messages, counted

An example, on a sandbox started with `kalshid sandbox --world still --speed manual`:

    curl $ADMIN/markets -d '{"ticker":"KXTEST-1","closes_in_ms":60000}'
    curl $ADMIN/book -d '{"ticker":"KXTEST-1","bids":[["0.4500","10.00"]],"asks":[["0.5500","10.00"]]}'
    curl $ADMIN/faults -d '{"kind":"drop","channel":"orderbook_delta","next":1}'
    curl $ADMIN/clock/advance -d '{"ms":60000}'
    curl $ADMIN/markets/determine -d '{"ticker":"KXTEST-1","result":"yes"}'
    curl $ADMIN/markets/settle -d '{"ticker":"KXTEST-1"}'
"""
