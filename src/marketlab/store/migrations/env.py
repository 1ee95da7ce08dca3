"""Run by alembic: applies the migrations on the connection that `marketlab.store.migrate` holds."""

from alembic import context

from marketlab.store._metadata import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite can alter little in place; and here its changes of tables lie in our transaction.
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
