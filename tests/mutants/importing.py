"""A file of orders is imported once, whole, in its account's name, and comes to a visible end (I1, I7)."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

IMPORTER = "regions/handlers/importer.py"
PARSER = "shared/domain/order_files.py"
TESTS = "tests/component/test_importer.py"

MUTANTS: Final = (
    Mutant(
        "a locked account imports nothing",
        "I1",
        IMPORTER,
        "if account.locked or ",
        "if ",
        f"{TESTS}::test_only_an_account_that_may_write_orders_imports",
    ),
    Mutant(
        "a drained Region imports nothing",
        "I7",
        IMPORTER,
        "            requests.shed()\n",
        "            pass\n",
        f"{TESTS}::test_a_drained_region_stops_and_names_the_other_one",
    ),
    Mutant(
        "a file that kills the importer is given up",
        "I1",
        IMPORTER,
        "if now.attempt == LAST_ATTEMPT:",
        "if False:",
        f"{TESTS}::test_a_file_that_kills_the_importer_ends_visibly",
    ),
    Mutant(
        "an import goes on behind what is done",
        "I1",
        IMPORTER,
        "return Position(self.progress.offset, self.progress.line)",
        "return beginning",
        f"{TESTS}::test_near_its_time_limit_the_importer_hands_over_and_goes_on_behind_what_is_done",
    ),
    Mutant(
        "what S3 tells twice is done once",
        "I1",
        IMPORTER,
        '            if before.complete and not redriven:\n                return "nothing to do"\n',
        "",
        f"{TESTS}::test_what_s3_tells_twice_is_done_once",
    ),
    Mutant(
        "a given-up file goes on when its event is sent again",
        "I1",
        IMPORTER,
        "if before.complete and not redriven:",
        "if before.complete:",
        f"{TESTS}::test_a_file_that_was_given_up_goes_on_when_people_send_its_event_again",
    ),
    Mutant(
        "a given-up event that Lambda delivers once more changes nothing",
        "I1",
        IMPORTER,
        "before.state == GIVEN_UP and before.request_id != self.request_id",
        "before.state == GIVEN_UP",
        f"{TESTS}::test_a_file_that_kills_the_importer_ends_visibly",
    ),
    Mutant(
        "an order's entries of a file are registered in their order",
        "I5",
        IMPORTER,
        'lanes.setdefault(cells.get("order_id") or ',
        'lanes.setdefault(f"{entry.end}" or ',
        f"{TESTS}::test_one_orders_statuses_are_registered_in_the_order_of_the_file",
    ),
    Mutant(
        "a file is read at one content",
        "I1",
        "shared/adapters/import_files.py",
        ", Range=span, IfMatch=etag)",
        ", Range=span)",
        f"{TESTS}::test_a_file_that_was_replaced_in_the_middle_is_left_to_the_newer_import",
    ),
    Mutant(
        "a row that cannot be read is not registered",
        "I1",
        PARSER,
        "if any(row.unreadable is not None for row in entry.rows):",
        "if False:",
        f"{TESTS}::test_errors_come_back_with_line_column_and_reason_and_cost_their_order_alone",
    ),
    Mutant(
        "a row that cannot be read holds back what it may belong to",
        "I1",
        PARSER,
        "return self.order is None or later.order is None or self.order == later.order",
        "return self.identity == later.identity",
        f"{TESTS}::test_an_order_with_a_quote_too_many_in_a_quoted_row_is_registered_whole_or_not_at_all",
    ),
    Mutant(
        "what S3 tells late is not done",
        "I1",
        IMPORTER,
        "elif before is not None and is_newer(before.import_id, than=self.progress.import_id):",
        "elif False:",
        f"{TESTS}::test_what_s3_tells_late_does_not_touch_the_newer_files_result",
    ),
    Mutant(
        "an import that got on is not dropped with its event",
        "I1",
        IMPORTER,
        "if self.progress.offset > self.progress.attempted_from:",
        "if False:",
        f"{TESTS}::test_an_importer_that_dies_behind_its_beginning_goes_on_by_a_new_event",
    ),
    Mutant(
        "no cell of the errors is a formula",
        "I1",
        PARSER,
        """return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell""",
        "return cell",
        "tests/unit/test_order_files.py::test_no_cell_of_the_errors_is_a_formula",
    ),
    Mutant(
        "imports keep their pace",
        "I9",
        IMPORTER,
        "time.sleep(max(0.0, began + paced / IMPORTS",
        "time.sleep(max(0.0, began + 0 * paced / IMPORTS",
        f"{TESTS}::test_the_pace_is_the_topologys",
    ),
)
