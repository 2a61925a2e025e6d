"""The fault injector: broken servers made from a good one, to show that every row can turn red and for the right reason.

A fault rewrites answers, rewrites requests, or behaves badly on the socket. Rewriting faults are pure, so that they can be
put to recorded evidence in-process as well as to live traffic through the proxy.
"""
