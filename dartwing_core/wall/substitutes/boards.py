"""Functions of Frappe's that move cards on Kanban boards."""

from __future__ import annotations

from typing import Any

import frappe
from frappe.desk.doctype.kanban_board import kanban_board

from dartwing_core.jobs.access.desk_access import throw_missing

from ..mentions import fields_that_link_to_ours, kind_fields
from .base import dict_of, instead_of, is_ours, sees_everything


@instead_of(kanban_board.update_order)
def update_order(given: dict[str, Any]) -> Any:
    """Leaves out hidden cards: Frappe looks each card up without a permission, and its answer tells the column. 15, 16.

    So it would tell values of our documents, and of rows that name ours. A board of our DocTypes keeps its order.
    """
    if sees_everything():
        return kanban_board.update_order(**given)
    kind = _check_board(given)
    if kind and (is_ours(kind) or kind_fields(kind) or fields_that_link_to_ours(kind)):
        given["order"] = frappe.as_json(_visible_order(kind, dict_of(given, "order")))
    return kanban_board.update_order(**given)


@instead_of(kanban_board.add_card)
def add_card(given: dict[str, Any]) -> Any:
    """Refuses private boards of others on our DocTypes: Frappe changes and shows every board. 15, 16."""
    _check_board(given)
    return kanban_board.add_card(**given)


@instead_of(kanban_board.update_order_for_single_card)
def update_order_for_single_card(given: dict[str, Any]) -> Any:
    """Refuses private boards of others on our DocTypes, as `add_card` does. 15, 16."""
    _check_board(given)
    return kanban_board.update_order_for_single_card(**given)


def _check_board(given: dict[str, Any]) -> str | None:
    """The DocType of a board. None if there is no such board.

    Raises DoesNotExistError for a private board of another user on our DocTypes.
    """
    name = given["board_name"] = str(given["board_name"])  # a number would be another board to the database
    found = frappe.db.get_value("Kanban Board", name, ["reference_doctype", "private", "owner"])
    if not found:
        return None
    kind, is_private, owner = found
    if is_ours(kind) and is_private and owner != frappe.session.user and not sees_everything():
        throw_missing("Kanban Board", name)
    return str(kind)


def _visible_order(doctype: str, order: dict[str, Any]) -> dict[str, list[str | int]]:
    return {} if is_ours(doctype) else {column: _visible_cards(doctype, cards) for column, cards in order.items()}


def _visible_cards(doctype: str, cards: Any) -> list[str | int]:
    names = [card for card in cards if isinstance(card, str | int)] if isinstance(cards, list) else []
    seen = frappe.get_list(doctype, filters={"name": ["in", names]}, pluck="name", limit=0) if names else []
    visible = {*map(str, seen)}  # some DocTypes number their rows
    return [name for name in names if str(name) in visible]
