"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make everything."""
    _accounts()
    _audit()
    _data_keys()
    _operations()
    _profiles()
    _quota_requests()
    _secrets()
    _tokens()
    _users()
    _experts()
    _leases()
    _links()
    _profile_files()
    _account_search()


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("user_id", TEXT, nullable=False),
        sa.Column("primary_account_id", TEXT, nullable=True),
        sa.Column("listed_for", TEXT, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("region", TEXT, nullable=False),
        sa.Column("provisioning_profile_id", TEXT, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("has_copy_factory_roles", sa.Boolean(), nullable=False),
        sa.Column("has_dedicated_ip", sa.Boolean(), nullable=False),
        sa.Column("search_text", TEXT, nullable=False),
        sa.Column("settings_json", TEXT, nullable=False),
        sa.Column("broker_json", TEXT, nullable=True),
        sa.Column("desired", TEXT, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("is_redeploy", sa.Boolean(), nullable=False),
        sa.Column("is_rejected", sa.Boolean(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("connection_status", TEXT, nullable=False),
        sa.Column("hops_json", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["primary_account_id"], ["accounts.id"], name="fk_accounts_primary_account_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
    )
    op.create_index("ix_accounts_list", "accounts", ["listed_for", "created_at", "id"])
    op.create_index(
        "ix_accounts_list_by_connection", "accounts", ["listed_for", "connection_status", "created_at", "id"]
    )
    op.create_index(
        "ix_accounts_list_by_profile",
        "accounts",
        ["listed_for", "provisioning_profile_id", "created_at", "id"],
    )
    op.create_index("ix_accounts_list_by_state", "accounts", ["listed_for", "state", "created_at", "id"])
    op.create_index("ix_accounts_position", "accounts", ["position"], unique=True)
    op.create_index("ix_accounts_primary", "accounts", ["primary_account_id", "created_at", "id"])
    op.create_index("ix_accounts_user_region", "accounts", ["user_id", "region"])


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("sequence", SEQUENCE, nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("user_id", TEXT, nullable=True),
        sa.Column("token_id", TEXT, nullable=True),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("entity", TEXT, nullable=False),
        sa.Column("entity_id", TEXT, nullable=True),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("remote_address", TEXT, nullable=True),
        sa.Column("details_json", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_entity", "audit", ["entity_id", "sequence"])
    op.create_index("ix_audit_user", "audit", ["user_id", "sequence"])
    _audit_is_only_added_to()


def _audit_is_only_added_to() -> None:
    """Let the database itself refuse to change or delete what was audited."""
    refusal = "The audit log is only added to."
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_refuses_{change.lower()} BEFORE {change} ON audit "
                f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_refuses_change() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{refusal}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_refuses_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuses_change()"
    )


def _data_keys() -> None:
    op.create_table(
        "data_keys",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_data_keys"),
    )


def _operations() -> None:
    op.create_table(
        "operations",
        sa.Column("user_id", TEXT, nullable=False),
        sa.Column("route", TEXT, nullable=False),
        sa.Column("transaction_id", TEXT, nullable=False),
        sa.Column("request_hash", TEXT, nullable=False),
        sa.Column("entity_id", TEXT, nullable=False),
        sa.Column("stage", TEXT, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("is_success", sa.Boolean(), nullable=True),
        sa.Column("outcome_json", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("user_id", "route", "transaction_id", name="pk_operations"),
    )
    op.create_index("ix_operations_finished_at", "operations", ["finished_at"])


def _profiles() -> None:
    op.create_table(
        "profiles",
        sa.Column("sequence", SEQUENCE, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("user_id", TEXT, nullable=False),
        sa.Column("search_text", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("profile_json", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_profiles"),
        sa.UniqueConstraint("id", name="uq_profiles_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_profiles_list", "profiles", ["user_id", "sequence"])


def _quota_requests() -> None:
    op.create_table(
        "quota_requests",
        sa.Column("user_id", TEXT, nullable=False),
        sa.Column("region", TEXT, nullable=False),
        sa.Column("quotas_json", TEXT, nullable=False),
        sa.Column("message", TEXT, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "region", name="pk_quota_requests"),
    )


def _secrets() -> None:
    op.create_table(
        "secrets",
        sa.Column("sequence", SEQUENCE, nullable=False),
        sa.Column("table_name", TEXT, nullable=False),
        sa.Column("record_id", TEXT, nullable=False),
        sa.Column("field", TEXT, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_secrets"),
        sa.UniqueConstraint("table_name", "record_id", "field", name="uq_secrets_table_name_record_id_field"),
        sqlite_autoincrement=True,
    )


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("user_id", TEXT, nullable=False),
        sa.Column("parent_id", TEXT, nullable=True),
        sa.Column("name", TEXT, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["parent_id"], ["tokens.id"], name="fk_tokens_parent_id"),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
    )
    op.create_index("ix_tokens_parent_id", "tokens", ["parent_id"])
    op.create_index("ix_tokens_user_id", "tokens", ["user_id"])


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("is_administrator", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("name", name="uq_users_name"),
    )


def _experts() -> None:
    op.create_table(
        "experts",
        sa.Column("sequence", SEQUENCE, nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("expert_id", TEXT, nullable=False),
        sa.Column("period", TEXT, nullable=False),
        sa.Column("symbol", TEXT, nullable=False),
        sa.Column("file", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_experts_account_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sequence", name="pk_experts"),
        sa.UniqueConstraint("account_id", "expert_id", name="uq_experts_account_id_expert_id"),
        sqlite_autoincrement=True,
    )


def _leases() -> None:
    op.create_table(
        "leases",
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("holder", TEXT, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_leases_account_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", name="pk_leases"),
    )
    op.create_index("ix_leases_holder", "leases", ["holder"])


def _links() -> None:
    op.create_table(
        "links",
        sa.Column("token_hash", TEXT, nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_links_account_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name="pk_links"),
    )
    op.create_index("ix_links_account_id", "links", ["account_id"])


def _profile_files() -> None:
    op.create_table(
        "profile_files",
        sa.Column("profile_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["profiles.id"], name="fk_profile_files_profile_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("profile_id", "name", name="pk_profile_files"),
    )


def _account_search() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE account_search USING fts5(grams, content='', detail=none, tokenize='ascii')"
        )
        return
    op.create_table(
        "account_search",
        sa.Column("account_id", TEXT, sa.ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("grams", sa.ARRAY(TEXT), nullable=False),
    )
    op.create_index("ix_account_search_grams", "account_search", ["grams"], postgresql_using="gin")
