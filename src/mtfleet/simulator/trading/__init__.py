"""Trading at a simulated trade server: orders, positions, deals, margin and swap, all in whole numbers.

Prices are counted in points, volumes in millionths of a lot, money in the smallest unit of the account's
currency.
`DealingDesk` is the way in.
"""
