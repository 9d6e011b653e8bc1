"""The tables. Moments are integers, milliseconds since 1970 UTC; columns named `*_json` hold JSON text.

Ids of users are no foreign keys: users are never removed. What hangs on an account or profile goes with it.
The text index of accounts (`account_search`) differs between databases and is made by the migrations; see
`text_search`.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Compared by code point, so that ids sort alike in both databases whatever the server's language is.
TEXT = Text().with_variant(Text(collation="C"), "postgresql")
# SQLite numbers rows by itself only when the key is called INTEGER.
_SEQUENCE = BigInteger().with_variant(Integer, "sqlite")

users = Table(
    "users",
    metadata,
    Column("id", TEXT, primary_key=True),
    Column("name", TEXT, nullable=False, unique=True),
    Column("is_administrator", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", TEXT, primary_key=True),
    Column("user_id", TEXT, nullable=False),
    # Set for a replica.
    Column("primary_account_id", TEXT, ForeignKey("accounts.id", ondelete="CASCADE")),
    # Null for a replica, which no list shows.
    Column("listed_for", TEXT),
    Column("created_at", BigInteger, nullable=False),
    # Order of `created_at`, unique: the row's number in the text index of SQLite.
    Column("position", BigInteger),
    Column("region", TEXT, nullable=False),
    Column("provisioning_profile_id", TEXT),
    Column("version", Integer, nullable=False),
    Column("type", TEXT, nullable=False),
    # Those of a replica don't count: its primary's do.
    Column("has_copy_factory_roles", Boolean, nullable=False),
    Column("has_dedicated_ip", Boolean, nullable=False),
    # Id, name, server and login, folded: what a text filter looks into.
    Column("search_text", TEXT, nullable=False),
    # The account as the API shows it, without what comes from the deployment and the replicas.
    Column("settings_json", TEXT, nullable=False),
    Column("broker_json", TEXT),
    Column("desired", TEXT, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("is_redeploy", Boolean, nullable=False),
    Column("is_rejected", Boolean, nullable=False),
    Column("state", TEXT, nullable=False),
    Column("connection_status", TEXT, nullable=False),
    Column("hops_json", TEXT, nullable=False),
    Index("ix_accounts_list", "listed_for", "created_at", "id"),
    Index("ix_accounts_list_by_state", "listed_for", "state", "created_at", "id"),
    Index("ix_accounts_list_by_connection", "listed_for", "connection_status", "created_at", "id"),
    Index("ix_accounts_list_by_profile", "listed_for", "provisioning_profile_id", "created_at", "id"),
    Index("ix_accounts_position", "position", unique=True),
    Index("ix_accounts_primary", "primary_account_id", "created_at", "id"),
    Index("ix_accounts_user_region", "user_id", "region"),
)

leases = Table(
    "leases",
    metadata,
    Column("account_id", TEXT, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("holder", TEXT, nullable=False, index=True),
    Column("epoch", BigInteger, nullable=False),
    # 0 after a release: the row stays, so that the epoch goes on.
    Column("expires_at", BigInteger, nullable=False),
)

secrets = Table(
    "secrets",
    metadata,
    Column("sequence", _SEQUENCE, primary_key=True),
    Column("table_name", TEXT, nullable=False),
    Column("record_id", TEXT, nullable=False),
    Column("field", TEXT, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    UniqueConstraint("table_name", "record_id", "field"),
    sqlite_autoincrement=True,
)

data_keys = Table(
    "data_keys",
    metadata,
    Column("id", TEXT, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
)

profiles = Table(
    "profiles",
    metadata,
    Column("sequence", _SEQUENCE, primary_key=True),
    Column("id", TEXT, nullable=False, unique=True),
    Column("user_id", TEXT, nullable=False),
    Column("search_text", TEXT, nullable=False),
    Column("version", Integer, nullable=False),
    Column("status", TEXT, nullable=False),
    Column("type", TEXT, nullable=False),
    Column("profile_json", TEXT, nullable=False),
    Index("ix_profiles_list", "user_id", "sequence"),
    sqlite_autoincrement=True,
)

profile_files = Table(
    "profile_files",
    metadata,
    Column("profile_id", TEXT, ForeignKey("profiles.id", ondelete="CASCADE"), primary_key=True),
    Column("name", TEXT, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

experts = Table(
    "experts",
    metadata,
    Column("sequence", _SEQUENCE, primary_key=True),
    Column("account_id", TEXT, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("expert_id", TEXT, nullable=False),
    Column("period", TEXT, nullable=False),
    Column("symbol", TEXT, nullable=False),
    Column("file", LargeBinary),
    UniqueConstraint("account_id", "expert_id"),
    sqlite_autoincrement=True,
)

operations = Table(
    "operations",
    metadata,
    Column("user_id", TEXT, primary_key=True),
    Column("route", TEXT, primary_key=True),
    Column("transaction_id", TEXT, primary_key=True),
    Column("request_hash", TEXT, nullable=False),
    Column("entity_id", TEXT, nullable=False),
    Column("stage", TEXT, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger, index=True),
    Column("is_success", Boolean),
    Column("outcome_json", TEXT),
)

links = Table(
    "links",
    metadata,
    Column("token_hash", TEXT, primary_key=True),
    Column("account_id", TEXT, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", TEXT, primary_key=True),
    Column("user_id", TEXT, nullable=False, index=True),
    Column("parent_id", TEXT, ForeignKey("tokens.id"), index=True),
    Column("name", TEXT),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
)

audit = Table(
    "audit",
    metadata,
    Column("sequence", _SEQUENCE, primary_key=True),
    Column("recorded_at", BigInteger, nullable=False),
    Column("user_id", TEXT),
    Column("token_id", TEXT),
    Column("action", TEXT, nullable=False),
    Column("entity", TEXT, nullable=False),
    Column("entity_id", TEXT),
    Column("outcome", TEXT, nullable=False),
    Column("remote_address", TEXT),
    Column("details_json", TEXT),
    Index("ix_audit_user", "user_id", "sequence"),
    Index("ix_audit_entity", "entity_id", "sequence"),
    sqlite_autoincrement=True,
)

quota_requests = Table(
    "quota_requests",
    metadata,
    Column("user_id", TEXT, primary_key=True),
    Column("region", TEXT, primary_key=True),
    Column("quotas_json", TEXT, nullable=False),
    Column("message", TEXT),
    Column("created_at", BigInteger, nullable=False),
)
