"""Alpaca through alpaca-py: an account as `ports.Broker`, closed 15m bars as `ports.BarFeed`, quotes as `ports.QuoteFeed`.

`keys` and `transport` are the way out of the process, `budget` says when it may be taken, `refusals` what an answer means;
`parse`, `orders` and `account` read JSON; `broker`, `bars` and `quotes` are the three edges; `wiring` opens them.
Nothing here decides anything: what is read is handed on, what is to be sent is sent once.
"""
