"""Tells the ledger which datasets a workspace holds."""

from pathlib import Path
from typing import TYPE_CHECKING

from marketlab.data._catalog import Manifest

if TYPE_CHECKING:
    from sqlalchemy import Connection


def record_dataset(connection: "Connection", manifest: Manifest, *, root: Path) -> bool:
    """Enter a stored dataset in the table `datasets`; return False if it stands there already.

    Call it within `Store.begin` on a migrated database. `root` is the catalog's folder.
    """
    # Here, so that reading bars does not load the database library.
    from sqlalchemy import insert, select

    from marketlab.data._tables import datasets

    known = select(datasets.c.dataset_id).where(datasets.c.dataset_id == manifest.dataset_id)
    if connection.execute(known).first() is not None:
        return False
    names = [column.name for column in datasets.columns if column.name != "path"]
    row = {name: getattr(manifest, name) for name in names}
    connection.execute(insert(datasets).values(**row, path=str(root / manifest.folder)))
    return True
