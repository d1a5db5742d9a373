"""Templates reach the lab unchanged but for the types on the list, and everything taken out is reported."""

from __future__ import annotations

from typing import Any

from loadtests.lab.templates import LeftOut, leave_out, role_statements

REASONS = {"AWS::X::Left": "there is none here"}


def template(**resources: dict[str, Any]) -> dict[str, Any]:
    return {
        "Parameters": {"P": {}},
        "Resources": resources,
        "Outputs": {"Out": {"Value": {"Ref": "Left"}}, "In": {"Value": "1"}},
    }


def test_what_is_not_on_the_list_stays_as_it_was() -> None:
    kept = {"Type": "AWS::X::Kept", "Properties": {"A": {"Ref": "P"}}, "DependsOn": ["Other"]}
    given = template(Kept=kept, Other={"Type": "AWS::X::Other"})
    found, left = leave_out(given, REASONS)
    assert found["Resources"] == given["Resources"]
    assert found["Parameters"] == given["Parameters"]
    assert left == []


def test_a_listed_type_is_taken_out_with_its_outputs_and_reported_with_its_reason() -> None:
    found, left = leave_out(template(Left={"Type": "AWS::X::Left"}, Also={"Type": "AWS::X::Left"}), REASONS)
    assert found["Resources"] == {}
    assert found["Outputs"] == {"In": {"Value": "1"}}
    assert left == [LeftOut("AWS::X::Left", 2, "there is none here")]


def test_a_property_may_be_what_is_left_out() -> None:
    plain, with_it = ({"Type": "AWS::X::Kept", "Properties": {name: 1}} for name in ("Simple", "Hard"))
    found, left = leave_out(template(Plain=plain, WithIt=with_it), {"AWS::X::Kept.Hard": "too hard"})
    assert found["Resources"] == {"Plain": plain}
    assert left == [LeftOut("AWS::X::Kept.Hard", 1, "too hard")]


def test_what_refers_to_something_left_out_goes_too_and_says_why() -> None:
    found, left = leave_out(
        template(
            Left={"Type": "AWS::X::Left"},
            User={"Type": "AWS::X::User", "Properties": {"A": [{"Fn::GetAtt": ["Left", "Arn"]}]}},
            Second={"Type": "AWS::X::Second", "Properties": {"B": {"Fn::Sub": "x-${User.Arn}"}}},
        ),
        REASONS,
    )
    assert found["Resources"] == {}
    assert {(kind.type, kind.reason) for kind in left} == {
        ("AWS::X::Left", "there is none here"),
        ("AWS::X::User", "it refers to Left, which is left out"),
        ("AWS::X::Second", "it refers to User, which is left out"),
    }


def test_mere_order_is_no_need() -> None:
    found, _ = leave_out(
        template(Left={"Type": "AWS::X::Left"}, After={"Type": "AWS::X::Kept", "DependsOn": ["Left", "P"]}), REASONS
    )
    assert found["Resources"]["After"] == {"Type": "AWS::X::Kept", "DependsOn": ["P"]}


def test_an_alias_stays_without_the_code_deploy_that_would_move_it() -> None:
    def alias(group: str) -> dict[str, Any]:
        policy = {"CodeDeployLambdaAliasUpdate": {"DeploymentGroupName": {"Ref": group}}}
        return {"Type": "AWS::Lambda::Alias", "Properties": {"Name": "live"}, "UpdatePolicy": policy}

    found, _ = leave_out(template(Left={"Type": "AWS::X::Left"}, Alias=alias("Left"), Other=alias("P")), REASONS)
    assert found["Resources"]["Alias"] == {"Type": "AWS::Lambda::Alias", "Properties": {"Name": "live"}}
    assert found["Resources"]["Other"] == alias("P")


def test_role_statements_finds_who_may_do_what() -> None:
    statement = {"Effect": "Allow", "Action": ["sns:Publish"], "Resource": {"Ref": "Topic"}}
    policy = {
        "Type": "AWS::IAM::Policy",
        "Properties": {"PolicyDocument": {"Statement": [statement]}, "Roles": [{"Ref": "Role"}]},
    }
    assert list(role_statements(template(Policy=policy), "sns:Publish")) == [("Role", {"Ref": "Topic"})]
    assert list(role_statements(template(Policy=policy), "sns:Subscribe")) == []
