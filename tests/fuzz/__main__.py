"""``python -m tests.fuzz``: run the fuzzer, print its table and every bad case; exit code 1 if there is one."""

from __future__ import annotations

import argparse
import sys
import time

from skelgraph.text import plain

from .runner import BAD, Fuzzer, grouped, progress, table


def main() -> int:
    """Run what the arguments ask for."""
    from .kinds import KINDS, names

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, help="how many, over all kinds (default: the full run)")
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="only this kind; repeatable")
    parser.add_argument("--case", help="repeat one case, npz/17, and show its traceback")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--slow", type=int, default=0, help="list so many of the slowest cases")
    options = parser.parse_args()
    cases = names(options.cases, options.kind)
    if options.case:
        kind, _, number = options.case.rpartition("/")
        cases = [(kind, int(number))]
    start = time.perf_counter()
    with Fuzzer(options.seed, min(options.processes, len(cases))) as fuzzer:
        results = fuzzer.run(cases, progress(len(cases)))
    if options.case:
        print(plain(results[0].text, 1000), ascii(results[0].trace)[1:-1].replace("\\n", "\n"), sep="\n")
    print(table(results))
    print(f"seed {options.seed}, {time.perf_counter() - start:.0f} s")
    for result in sorted(results, key=lambda result: -result.seconds)[: options.slow]:
        print(f"{result.seconds:.1f} s {result.kind}/{result.number} {result.verdict}: {plain(result.text, 200)}")
    if bad := grouped(results):
        print("\nBad cases (repeat one with --case NAME):\n" + bad)
    return int(any(result.verdict in BAD for result in results))


if __name__ == "__main__":
    sys.exit(main())
