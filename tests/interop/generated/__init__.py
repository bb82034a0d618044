# SPDX-License-Identifier: Apache-2.0
"""Random datasets that a seed makes, written by pylance, read by pylance and by the engine, compared row by row.

values.py makes arrays, schemas.py columns, histories.py datasets with a history; compare.py asks both readers;
__main__.py runs many seeds or repeats one; old_writers.py lets older releases of pylance write."""
