"""Clients that plan, send and account for calls: an account, and what hangs on a response.

``wrap`` is in `tokenthrift.client.wrap`, ``Client`` and ``AsyncClient`` in
`tokenthrift.client.client`; importing this package alone imports no provider's SDK.
"""

from tokenthrift.client.account import Account
from tokenthrift.client.call import Call, Outside, Receipt, receipt_of

__all__ = ["Account", "Call", "Outside", "Receipt", "receipt_of"]
