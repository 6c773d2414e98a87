"""Webhooks: each change in the stream is sent to the endpoints of others, by HTTP and signed.

An endpoint is a position in the stream: everything before it was taken by its receiver, or is a row of its
own. `endpoints` are who gets changes, `queue` is what was not taken at once, `messages` is what is sent,
`sender` sends it, and `deliverer` is the loop.
"""
