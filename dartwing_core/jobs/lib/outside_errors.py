"""The errors of RQ and Redis that other folders name: time limits, and a Redis that is away.

Beside this module, only `rq/` and `executor` import those packages.
"""

from redis.exceptions import BusyLoadingError as RedisLoadingError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rq.timeouts import BaseTimeoutException

__all__ = ["BaseTimeoutException", "RedisConnectionError", "RedisError", "RedisLoadingError", "RedisTimeoutError"]
