"""The kernel's ports on DynamoDB: rows, the transaction, the outbox, sessions and idempotency
keys.
"""
