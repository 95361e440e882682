//! Model test of the lifecycle: every sequence of up to six commands, from every start, against a plain table. Beside it, in `model/`,
//! those of the whole course, of ladders and of rotas.

#[path = "model/course.rs"]
mod course;
#[path = "model/ladder.rs"]
mod ladder;
#[path = "model/rota.rs"]
mod rota;
#[path = "model/simulation.rs"]
mod simulation;

use homeward_alerts_core::{
    Audience, ClosingCode, Command, Incident, Refusal, Severity, State, Transition,
    lifecycle::{Action, apply},
};
use uuid::Uuid;

const ANNA: Uuid = Uuid::from_u128(1);
const BO: Uuid = Uuid::from_u128(2);

const COMMANDS: [Command<'static>; 15] = [
    Command::HandedOver,
    Command::Acknowledge { user: ANNA },
    Command::Acknowledge { user: BO },
    Command::StartAction { user: ANNA },
    Command::StartAction { user: BO },
    Command::Note {
        user: ANNA,
        text: "called",
    },
    Command::Note {
        user: ANNA,
        text: " \n",
    },
    Command::Close {
        user: BO,
        code: ClosingCode::WarningGiven,
        text: "",
    },
    Command::Close {
        user: ANNA,
        code: ClosingCode::Other,
        text: " ",
    },
    Command::Close {
        user: ANNA,
        code: ClosingCode::Other,
        text: "neighbour's dog",
    },
    Command::Fold {
        severity: Severity::P1,
        audience: Audience::Police,
        ongoing: true,
    },
    Command::End { ongoing: false },
    Command::End { ongoing: true },
    Command::Correct { ongoing: false },
    Command::Correct { ongoing: true },
];

/// The model: which states may follow which, by the action written.
fn allowed(before: State, action: Action, after: State) -> bool {
    let open = !before.is_closed();
    match action {
        Action::Notify => before == State::Raised && after == State::Notified,
        Action::Acknowledge => matches!(before, State::Raised | State::Notified) && after == State::Acknowledged,
        Action::StartAction => open && before != State::InAction && after == State::InAction,
        Action::Close => open && after.is_closed(),
        Action::Note | Action::Event => before == after,
    }
}

fn check(before: &Incident, command: Command<'_>, outcome: Result<Transition, Refusal>) -> Incident {
    match outcome {
        Err(_) | Ok(Transition::Unchanged) => *before,
        Ok(Transition::Changed { after, action }) => {
            assert!(
                allowed(before.state, action, after.state),
                "{before:?} --{command:?}--> {after:?}"
            );
            assert!(after.severity <= before.severity, "severity never falls: {command:?}");
            assert_eq!(
                after.audience.union(before.audience),
                after.audience,
                "the audience never narrows"
            );
            let taken_on = matches!(after.state, State::Acknowledged | State::InAction);
            assert!(
                !taken_on || after.acknowledged_by.is_some(),
                "somebody has it: {command:?}"
            );
            if before.acknowledged_by.is_some() {
                assert_eq!(after.acknowledged_by, before.acknowledged_by, "nobody takes it away");
            }
            match command {
                Command::Correct { ongoing } => assert_eq!(
                    after,
                    Incident { ongoing, ..*before },
                    "a correction says whether it goes on, and nothing else"
                ),
                Command::End { .. } => assert!(before.ongoing || !after.ongoing, "an end begins nothing"),
                _ => {}
            }
            if before.state.is_closed() {
                assert_eq!(after.state, before.state, "closed is final, and so is its code");
                assert_eq!((after.severity, after.audience), (before.severity, before.audience));
            }
            after
        }
    }
}

fn explore(incident: Incident, depth: usize, visited: &mut u64) {
    for command in COMMANDS {
        *visited += 1;
        let outcome = apply(&incident, command);
        let after = check(&incident, command, outcome);
        // Idempotent: the same user acknowledging, acting or a hand-over a second time changes nothing more.
        if matches!(
            command,
            Command::Acknowledge { .. } | Command::StartAction { .. } | Command::HandedOver
        ) && outcome.is_ok()
        {
            assert_eq!(
                apply(&after, command),
                Ok(Transition::Unchanged),
                "{incident:?} {command:?}"
            );
        }
        // Once closed, only notes and facts are added.
        if incident.state.is_closed() {
            match command {
                Command::Acknowledge { .. }
                | Command::StartAction { .. }
                | Command::Fold { .. }
                | Command::Close { .. } => {
                    assert_eq!(outcome, Err(Refusal::Closed));
                }
                Command::HandedOver => assert_eq!(outcome, Ok(Transition::Unchanged)),
                Command::Note { .. } | Command::End { .. } | Command::Correct { .. } => {}
            }
        }
        if depth > 1 {
            explore(after, depth - 1, visited);
        }
    }
}

#[test]
fn no_sequence_of_commands_writes_an_impossible_transition() {
    let mut visited = 0;
    for ongoing in [true, false] {
        explore(
            Incident::raised(Severity::P3, Audience::Police, ongoing),
            5,
            &mut visited,
        );
    }
    assert_eq!(visited, 2 * (1..=5).map(|length| 15_u64.pow(length)).sum::<u64>());
}

#[test]
fn acknowledge_is_for_one_user() {
    let raised = Incident::raised(Severity::P1, Audience::Both, true);
    let Ok(Transition::Changed { after, .. }) = apply(&raised, Command::Acknowledge { user: ANNA }) else {
        panic!("a raised incident can be acknowledged");
    };
    assert_eq!(
        apply(&after, Command::Acknowledge { user: ANNA }),
        Ok(Transition::Unchanged)
    );
    assert_eq!(
        apply(&after, Command::Acknowledge { user: BO }),
        Err(Refusal::Taken { by: ANNA })
    );
}

#[test]
fn closing_needs_words_where_the_code_says_nothing() {
    let raised = Incident::raised(Severity::P1, Audience::Both, true);
    let code = ClosingCode::Other;
    assert_eq!(
        apply(
            &raised,
            Command::Close {
                user: ANNA,
                code,
                text: "\t"
            }
        ),
        Err(Refusal::TextRequired { code })
    );
    assert!(
        apply(
            &raised,
            Command::Close {
                user: ANNA,
                code,
                text: "moved house"
            }
        )
        .is_ok()
    );
    let code = ClosingCode::FalseAlarmDevice;
    assert!(
        apply(
            &raised,
            Command::Close {
                user: ANNA,
                code,
                text: ""
            }
        )
        .is_ok()
    );
}

#[test]
fn stored_states_round_trip_and_impossible_ones_do_not() {
    for state in [
        State::Raised,
        State::Notified,
        State::Acknowledged,
        State::InAction,
        State::Closed(ClosingCode::Test),
    ] {
        assert_eq!(
            State::from_stored(state.name(), state.code().map(ClosingCode::name)),
            Some(state)
        );
    }
    assert_eq!(State::from_stored("closed", None), None);
    assert_eq!(State::from_stored("raised", Some("test")), None);
    assert_eq!(State::from_stored("closed", Some("because")), None);
    assert_eq!(State::from_stored("reopened", None), None);
}
