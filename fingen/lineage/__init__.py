"""What rests on what: from a report over rows, sets, adapters, models and scores to what went to the Hub, and back.

`items` are the things that lie in a folder such as build/, `links` how they hang together, `rows` which rows of a set rest on
a report; `trace` follows them, `page` shows that; `withdraw` makes sets anew without a report, `erase` takes its text out of
journals and caches.
"""
