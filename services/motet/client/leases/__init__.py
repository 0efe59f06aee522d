"""Leases: one interface, on Motet (`client.leases`), on etcd (`on_etcd.EtcdLeases`) and on Redis (`on_redis.RedisLeases`)."""

from motet.client.leases.interface import BadRequest, Holding, Lease, LeaseError, LeaseLost, Leases, NotGranted, held

__all__ = ["BadRequest", "Holding", "Lease", "LeaseError", "LeaseLost", "Leases", "NotGranted", "held"]
