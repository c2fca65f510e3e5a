"""A peer for the tests: answers, prints where it should not, and fails on request."""

from benchmarks.table import serve


def add(a, b):
    print("noise on standard output")
    return a + b


def fail():
    raise ValueError("no such kernel")


def die():
    raise SystemExit(3)


if __name__ == "__main__":
    serve({"add": add, "fail": fail, "die": die}, version="1.2")
