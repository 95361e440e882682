//! Commands to devices: placed once, claimed once, ended always.

use std::collections::BTreeSet;

use casedb::{
    Database, GenericClient,
    access::Purpose,
    command::{self, Command, CommandError, Instruction, Outcome, Request, State},
    device,
    user::{self, NewUser, Role},
};
use jiff::{SignedDuration, Timestamp, ToSpan};
use proto::{DeviceId, PersonId};
use uuid::Uuid;

use crate::support::{add_order, add_person, migrated};

struct Stage {
    db: Database,
    person: PersonId,
    device: DeviceId,
    officer: Uuid,
    now: Timestamp,
}

impl Stage {
    async fn set(db: &Database, name: &str) -> Self {
        let person = add_person(db, name).await;
        let client = db.client().await.unwrap();
        // As PostgreSQL keeps times.
        let now = Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap();
        add_order(db, person.person_id, now).await;
        let new = NewUser {
            username: format!("officer.{name}"),
            display_name: "Invented Officer".to_owned(),
            role: Role::DutyOfficer,
            agency_id: person.police_agency_id,
            locale: "en".to_owned(),
            email: None,
        };
        let officer = user::create(&client, &new, "no hash").await.unwrap();
        let device_id = DeviceId::new(Uuid::now_v7());
        let sql = "INSERT INTO device (device_id, protocol, identity) VALUES ($1, 'native', $2)";
        client
            .execute(sql, &[&device_id.uuid(), &format!("HW-{name}")])
            .await
            .unwrap();
        device::assign(&client, device_id, person.person_id, now - 1.hour())
            .await
            .unwrap();
        Self {
            db: db.clone(),
            person: person.person_id,
            device: device_id,
            officer,
            now,
        }
    }

    fn request<'a>(&self, instruction: Instruction, key: Option<&'a str>) -> Request<'a> {
        Request {
            person_id: self.person,
            device_id: None,
            instruction,
            requested_by: self.officer,
            purpose: Purpose::Duty,
            case_number: "C-7",
            idempotency_key: key,
            waits: None,
        }
    }

    async fn place(&self, instruction: Instruction, at: Timestamp) -> Command {
        let request = self.request(instruction, None);
        command::place(&self.db, &request, at).await.unwrap().command
    }

    async fn claim(&self, at: Timestamp) -> Vec<Command> {
        let client = self.db.client().await.unwrap();
        command::claim(&client, &[self.device], "one", at, 100).await.unwrap()
    }

    async fn all(&self) -> Vec<(Instruction, State, Option<Outcome>)> {
        let client = self.db.client().await.unwrap();
        let sql = "SELECT parameters, state, outcome FROM device_command WHERE device_id = $1 ORDER BY created_at, reverts NULLS FIRST, attempt";
        let rows = client.query(sql, &[&self.device.uuid()]).await.unwrap();
        let read = |row: &tokio_postgres::Row| {
            let outcome: &str = row.get(2);
            (
                serde_json::from_value(row.get(0)).unwrap(),
                row.get::<_, &str>(1).parse().unwrap(),
                (!outcome.is_empty()).then(|| outcome.parse().unwrap()),
            )
        };
        rows.iter().map(read).collect()
    }

    async fn sweep(&self, at: Timestamp) {
        command::sweep(&self.db.client().await.unwrap(), at).await.unwrap();
    }
}

const PURSUIT: Instruction = Instruction::Interval {
    seconds: 5,
    for_seconds: 1_800,
};
const USUAL: Instruction = Instruction::Interval {
    seconds: 60,
    for_seconds: 0,
};

#[tokio::test]
async fn two_claimers_never_get_the_same_command() {
    for (test, db) in migrated().await {
        let stage = Stage::set(&db, "claims").await;
        let mut placed = BTreeSet::new();
        for _ in 0..command::MOST_OPEN {
            placed.insert(stage.place(Instruction::Vibrate, stage.now).await.command_id);
        }
        let refused = command::place(&db, &stage.request(Instruction::Vibrate, None), stage.now).await;
        assert!(matches!(refused, Err(CommandError::TooMany)));
        let mut claimers = tokio::task::JoinSet::new();
        for claimer in 0..6 {
            let (db, device, now) = (db.clone(), stage.device, stage.now);
            claimers.spawn(async move {
                let mut got = Vec::new();
                for _ in 0..8 {
                    let client = db.client().await.unwrap();
                    let gateway = format!("gateway {claimer}");
                    let claimed = command::claim(&client, &[device], &gateway, now, 3).await.unwrap();
                    assert!(claimed.iter().all(|c| c.gateway == gateway && c.state == State::Sent));
                    got.extend(claimed.into_iter().map(|c| c.command_id));
                }
                got
            });
        }
        let got: Vec<Uuid> = claimers.join_all().await.into_iter().flatten().collect();
        assert_eq!(got.len(), placed.len(), "each once");
        assert_eq!(got.into_iter().collect::<BTreeSet<_>>(), placed);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn a_repeated_request_is_the_same_command() {
    for (test, db) in migrated().await {
        let stage = Stage::set(&db, "again").await;
        let text = Instruction::Text {
            text: "Call the station".to_owned(),
        };
        let request = stage.request(text.clone(), Some("key-1"));
        // At the same time, then later, then after it was sent.
        let (one, two) = tokio::join!(
            command::place(&db, &request, stage.now),
            command::place(&db, &request, stage.now)
        );
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one.command.command_id, two.command.command_id);
        assert!(one.repeated != two.repeated, "one places it, the other finds it");
        assert_eq!(stage.claim(stage.now).await.len(), 1);
        let third = command::place(&db, &request, stage.now + 5.seconds()).await.unwrap();
        assert!(third.repeated && third.command.state == State::Sent);
        assert_eq!(third.command.command_id, one.command.command_id);
        assert!(stage.claim(stage.now + 6.seconds()).await.is_empty(), "never twice");
        // The key is the user's, for this.
        let other = stage.request(Instruction::Vibrate, Some("key-1"));
        assert!(matches!(
            command::place(&db, &other, stage.now).await,
            Err(CommandError::KeyTaken)
        ));
        for key in ["", "revert:1", &"x".repeat(101)] {
            let bad = stage.request(text.clone(), Some(key));
            assert!(
                matches!(command::place(&db, &bad, stage.now).await, Err(CommandError::Bad(_))),
                "{key}"
            );
        }
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn a_text_that_the_device_cannot_show_is_refused_with_the_letter() {
    for (test, db) in migrated().await {
        let stage = Stage::set(&db, "letters").await;
        let text = |text: &str| Instruction::Text { text: text.to_owned() };
        let odd = "你好 Zoë 😀";
        stage.place(text(odd), stage.now).await; // any letter over the native protocol
        let sql = "UPDATE device SET protocol = 'jt808' WHERE device_id = $1";
        let client = db.client().await.unwrap();
        client.execute(sql, &[&stage.device.uuid()]).await.unwrap();
        stage.place(text("你好 Zoe，请回电"), stage.now).await;
        for (words, letter) in [(odd, "ë"), ("Call ⠀ now", "⠀"), ("😀", "😀")] {
            let refused = command::place(&db, &stage.request(text(words), None), stage.now).await;
            let Err(CommandError::Database(casedb::Error::Refused(refused))) = refused else {
                panic!("{words}: {refused:?}")
            };
            assert_eq!(refused.code, "text_letter");
            assert_eq!(refused.values, [("letter", letter.to_owned())]);
        }
        assert_eq!(stage.all().await.len(), 2);
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn a_locate_ends_within_three_minutes_whatever_happens() {
    for (test, db) in migrated().await {
        let stage = Stage::set(&db, "locate").await;
        let within = stage.now + SignedDuration::from_mins(3);
        let mut asked = stage.request(Instruction::Locate, None);
        asked.waits = Some(SignedDuration::from_secs(171));
        assert!(matches!(
            command::place(&db, &asked, stage.now).await,
            Err(CommandError::Bad(_))
        ));
        let at = |seconds: i64| stage.now + seconds.seconds();
        // Never connected; sent and never heard of; delivered and never answered; answered.
        let client = db.client().await.unwrap();
        let answered = stage.place(Instruction::Locate, stage.now).await;
        let delivered = stage.place(Instruction::Locate, at(1)).await;
        let lost = stage.place(Instruction::Locate, at(2)).await;
        assert_eq!(stage.claim(at(3)).await.len(), 3);
        assert!(command::deliver(&client, delivered.command_id, at(4)).await.unwrap());
        assert!(command::deliver(&client, answered.command_id, at(4)).await.unwrap());
        assert!(!command::deliver(&client, answered.command_id, at(5)).await.unwrap());
        let located = command::end(
            &client,
            answered.command_id,
            at(9),
            Outcome::Located,
            "a\u{0}b",
            Some(at(8)),
        );
        assert!(located.await.unwrap());
        let late = command::end(&client, answered.command_id, at(10), Outcome::Refused, "", None);
        assert!(!late.await.unwrap(), "what has ended stays so");
        stage.place(Instruction::Locate, at(4)).await;
        stage.sweep(within - 11.seconds()).await;
        assert_eq!(command::under_way(&client, at(20)).await.unwrap().len(), 2);
        stage.sweep(within).await;
        stage.sweep(within).await;
        let ends: Vec<_> = stage
            .all()
            .await
            .into_iter()
            .map(|(_, state, why)| (state, why))
            .collect();
        let expired = |why| (State::Expired, Some(why));
        assert_eq!(
            ends,
            [
                (State::Acknowledged, Some(Outcome::Located)),
                expired(Outcome::NoAnswer),
                expired(Outcome::NotConfirmed),
                expired(Outcome::NotConnected),
            ]
        );
        assert!(stage.claim(within).await.is_empty());
        let after = command::end(&client, lost.command_id, within, Outcome::Located, "", None);
        assert!(!after.await.unwrap());
        // The database itself refuses a locate that waits longer.
        let sql = "INSERT INTO device_command (command_id, device_id, person_id, kind, parameters, requested_by, purpose,
            idempotency_key, created_at, not_before, expires_at)
            SELECT gen_random_uuid(), device_id, person_id, kind, parameters, requested_by, purpose, 'long', created_at, not_before,
            created_at + interval '181 seconds' FROM device_command LIMIT 1";
        let error = casedb::Error::from(client.execute(sql, &[]).await.unwrap_err());
        assert_eq!(error.constraint(), Some("device_command_locate_ends"), "{error}");
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn a_pursuit_comes_with_its_way_back() {
    for (test, db) in migrated().await {
        let stage = Stage::set(&db, "pursuit").await;
        let client = db.client().await.unwrap();
        let at = |seconds: i64| stage.now + seconds.seconds();
        let settings = casedb::rules::Settings {
            reporting_interval_s: 60,
            ..Default::default()
        };
        casedb::rules::set_settings(&client, stage.person, &settings)
            .await
            .unwrap();
        let pursuit = stage.place(PURSUIT, stage.now).await;
        // The time counts from the sending; it is given back once, which changes nothing.
        assert_eq!(stage.claim(at(30)).await.len(), 1);
        assert!(command::release(&client, pursuit.command_id, "one").await.unwrap());
        assert!(!command::release(&client, pursuit.command_id, "one").await.unwrap());
        assert_eq!(stage.claim(at(100)).await.len(), 1);
        assert!(command::deliver(&client, pursuit.command_id, at(101)).await.unwrap());
        assert!(stage.claim(at(100 + 1_799)).await.is_empty());
        assert_eq!(command::due_devices(&client, at(100 + 1_799)).await.unwrap(), []);
        assert_eq!(
            command::due_devices(&client, at(100 + 1_800)).await.unwrap(),
            [stage.device]
        );
        let back = stage.claim(at(100 + 1_800)).await;
        assert_eq!(
            (back[0].instruction.clone(), back[0].reverts),
            (USUAL, Some(pursuit.command_id))
        );
        // Nobody knows whether it arrived: it is asked for again, as a command of its own, and not for ever.
        let mut time = 100 + 1_800;
        for attempt in 2..=command::REVERT_ATTEMPTS {
            time += 600;
            stage.sweep(at(time)).await;
            stage.sweep(at(time)).await;
            let again = stage.claim(at(time)).await;
            assert_eq!(again.len(), 1, "{attempt}");
            assert_eq!((again[0].attempt, again[0].instruction.clone()), (attempt, USUAL));
        }
        stage.sweep(at(time + 600)).await;
        assert!(stage.claim(at(time + 601)).await.is_empty());
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn a_newer_interval_takes_the_place_of_the_older_one() {
    use Outcome::{Cancelled, NotNeeded, Superseded};
    for (test, db) in migrated().await {
        let stage = Stage::set(&db, "newer").await;
        let client = db.client().await.unwrap();
        let at = |seconds: i64| stage.now + seconds.seconds();
        let slower = Instruction::Interval {
            seconds: 20,
            for_seconds: 600,
        };
        // Queued: the older one and its way back are gone at once.
        stage.place(PURSUIT, stage.now).await;
        let second = stage.place(slower.clone(), at(1)).await;
        let gone = |why| (State::Cancelled, Some(why));
        let states = |all: Vec<(Instruction, State, Option<Outcome>)>| -> Vec<_> {
            all.into_iter().map(|(_, state, why)| (state, why)).collect()
        };
        let queued = (State::Queued, None);
        assert_eq!(
            states(stage.all().await),
            [gone(Superseded), gone(NotNeeded), queued, queued]
        );
        // Under way: the way back stays until the newer one is known to have arrived.
        assert_eq!(stage.claim(at(2)).await.len(), 1);
        assert!(command::deliver(&client, second.command_id, at(3)).await.unwrap());
        let third = stage.place(USUAL, at(10)).await;
        assert_eq!(states(stage.all().await)[3], queued);
        assert_eq!(stage.claim(at(11)).await[0].command_id, third.command_id);
        assert!(
            stage.claim(at(700)).await.is_empty(),
            "not while the newer one goes out"
        );
        let done = command::end(&client, third.command_id, at(12), Outcome::Done, "OK", None);
        assert!(done.await.unwrap());
        assert_eq!(states(stage.all().await)[3], gone(Superseded));
        // Taken back before it was sent, with its way back; what was sent is not taken back, nor a way back.
        let fourth = stage.place(PURSUIT, at(20)).await;
        let (officer, fourth_id) = (stage.officer, fourth.command_id);
        let taken = command::cancel(&db, fourth_id, officer, at(21)).await.unwrap();
        assert_eq!((taken.state, taken.outcome), (State::Cancelled, Some(Cancelled)));
        assert_eq!(command::cancel(&db, fourth_id, officer, at(22)).await.unwrap(), taken);
        assert_eq!(states(stage.all().await)[5..], [gone(Cancelled), gone(NotNeeded)]);
        let late = command::cancel(&db, third.command_id, officer, at(23)).await;
        assert!(matches!(late, Err(CommandError::TooLate(State::Acknowledged))));
        let fifth = stage.place(PURSUIT, at(30)).await;
        assert_eq!(stage.claim(at(31)).await.len(), 1);
        let sql = "SELECT command_id FROM device_command WHERE reverts = $1";
        let back: Uuid = client.query_one(sql, &[&fifth.command_id]).await.unwrap().get(0);
        let kept = command::cancel(&db, back, officer, at(32)).await;
        assert!(matches!(kept, Err(CommandError::WayBack)));
        // A device whose protocol has no words for it: no way back either.
        let failed = command::end(&client, fifth.command_id, at(33), Outcome::Unsupported, "", None);
        assert!(failed.await.unwrap());
        stage.sweep(at(34)).await;
        assert_eq!(states(stage.all().await).last(), Some(&gone(NotNeeded)));
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn only_the_wearer_with_a_legal_basis_is_told_anything() {
    for (test, db) in migrated().await {
        let stage = Stage::set(&db, "basis").await;
        let mut client = db.client().await.unwrap();
        let text = Instruction::Text { text: "x".to_owned() };
        let late = command::place(&db, &stage.request(text.clone(), None), stage.now + 721.hours()).await;
        assert!(matches!(late, Err(CommandError::NoLegalBasis)));
        let mut other = stage.request(text.clone(), None);
        other.device_id = Some(Uuid::now_v7().into());
        let none = command::place(&db, &other, stage.now).await;
        assert!(matches!(none, Err(CommandError::NoDevice)));
        // Queued for one, and the device is another's by the time: it is not sent.
        let placed = stage.place(text, stage.now).await;
        let heir = add_person(&db, "heir").await;
        let tx = client.transaction().await.unwrap();
        device::assign(&tx, stage.device, heir.person_id, stage.now)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert!(stage.claim(stage.now + 1.second()).await.is_empty());
        stage.sweep(placed.expires_at).await;
        assert_eq!(stage.all().await[0].2, Some(Outcome::NotConnected));
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn every_step_is_kept_and_told() {
    for (test, db) in migrated().await {
        let stage = Stage::set(&db, "steps").await;
        let mut listener = db.listen(&[command::CHANNEL]).await.unwrap();
        let client = db.client().await.unwrap();
        let placed = stage.place(Instruction::Vibrate, stage.now).await;
        stage.claim(stage.now + 1.second()).await;
        let (id, at) = (placed.command_id, stage.now + 2.seconds());
        command::deliver(&client, id, at).await.unwrap();
        command::end(&client, id, at, Outcome::Done, "ok", None).await.unwrap();
        let taken = stage.place(Instruction::Vibrate, stage.now).await;
        command::cancel(&db, taken.command_id, stage.officer, at).await.unwrap();
        let sql = "SELECT state, user_id, gateway, outcome FROM device_command_step ORDER BY step_id";
        let rows = client.query(sql, &[]).await.unwrap();
        let steps: Vec<(&str, Option<Uuid>, &str, &str)> =
            rows.iter().map(|r| (r.get(0), r.get(1), r.get(2), r.get(3))).collect();
        let officer = Some(stage.officer);
        assert_eq!(
            steps,
            [
                ("queued", officer, "", ""),
                ("sent", None, "one", ""),
                ("delivered", None, "one", ""),
                ("acknowledged", None, "one", "done"),
                ("queued", officer, "", ""),
                ("cancelled", officer, "", "cancelled"),
            ]
        );
        for state in ["queued", "sent", "delivered", "acknowledged", "queued", "cancelled"] {
            let Some(casedb::Notice::Notification { payload, .. }) = listener.recv().await else {
                panic!("the listener ended");
            };
            let told: serde_json::Value = serde_json::from_str(&payload).unwrap();
            assert_eq!(told["state"], state, "{told}");
            assert_eq!(told["device_id"], stage.device.to_string());
        }
        drop(client);
        test.drop_now().await.unwrap();
    }
}

/// What gateways, users and time can do.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Claim,
    Release,
    Deliver,
    Done,
    Fail,
    Unsupported,
    Cancel,
    Expire,
}

impl Deed {
    const ALL: [Self; 8] = [
        Self::Claim,
        Self::Release,
        Self::Deliver,
        Self::Done,
        Self::Fail,
        Self::Unsupported,
        Self::Cancel,
        Self::Expire,
    ];

    /// Where it leads from a state; `None`: it does nothing there.
    fn leads(self, from: State) -> Option<State> {
        let to = match self {
            Self::Claim => State::Sent,
            Self::Release => State::Queued,
            Self::Deliver => State::Delivered,
            Self::Done => State::Acknowledged,
            Self::Fail | Self::Unsupported => State::Failed,
            Self::Cancel => State::Cancelled,
            Self::Expire => State::Expired,
        };
        from.may_become(to).then_some(to)
    }

    async fn apply(self, client: &impl GenericClient, stage: &Stage, id: Uuid) {
        let at = stage.now + 1.second();
        let end = async |outcome| {
            command::end(client, id, at, outcome, "", None).await.unwrap();
        };
        match self {
            Self::Claim => {
                command::claim(client, &[stage.device], "one", at, 10).await.unwrap();
            }
            Self::Release => {
                command::release(client, id, "one").await.unwrap();
            }
            Self::Deliver => {
                command::deliver(client, id, at).await.unwrap();
            }
            Self::Done => end(Outcome::Done).await,
            Self::Fail => end(Outcome::ConnectionLost).await,
            Self::Unsupported => end(Outcome::Unsupported).await,
            Self::Cancel => {
                let sql = "UPDATE device_command SET state = 'cancelled', outcome = 'cancelled', ended_at = $2
                    WHERE command_id = $1 AND state = 'queued'";
                client.execute(sql, &[&id, &at]).await.unwrap();
            }
            Self::Expire => {
                command::sweep(client, stage.now + 11.minutes()).await.unwrap();
            }
        }
    }
}

async fn state_of(client: &impl GenericClient, id: Uuid) -> State {
    let sql = "SELECT state FROM device_command WHERE command_id = $1";
    let row = client.query_one(sql, &[&id]).await.unwrap();
    row.get::<_, &str>(0).parse().unwrap()
}

/// Every sequence of deeds that do something, five long or until the command has ended, and after each every deed that does
/// nothing there: the database goes where the model goes.
#[tokio::test]
async fn every_sequence_of_deeds_keeps_to_the_moves() {
    for (test, db) in migrated().await.into_iter().take(1) {
        let stage = Stage::set(&db, "moves").await;
        let id = stage.place(Instruction::Vibrate, stage.now).await.command_id;
        let mut client = db.client().await.unwrap();
        let mut transaction = client.transaction().await.unwrap();
        // Depth first, each deed behind a savepoint of its own.
        let mut paths = vec![Vec::<Deed>::new()];
        let mut looked_at = 0;
        while let Some(path) = paths.pop() {
            let savepoint = transaction.savepoint("path").await.unwrap();
            let mut state = State::Queued;
            let mut went_on = true;
            for deed in &path {
                let expected = deed.leads(state).unwrap_or(state);
                went_on = expected != state;
                deed.apply(&savepoint, &stage, id).await;
                state = state_of(&savepoint, id).await;
                assert_eq!(state, expected, "{path:?}");
            }
            savepoint.rollback().await.unwrap();
            looked_at += 1;
            if path.len() < 5 && went_on {
                paths.extend(Deed::ALL.into_iter().map(|deed| [path.clone(), vec![deed]].concat()));
            }
        }
        assert!(looked_at > 150, "{looked_at}");
        drop(transaction);
        drop(client);
        test.drop_now().await.unwrap();
    }
}

/// The trigger knows the same moves as [`State::may_become`], whoever writes the SQL; what is asked for never changes.
#[tokio::test]
async fn the_database_refuses_impossible_moves() {
    for (test, db) in migrated().await {
        let stage = Stage::set(&db, "trigger").await;
        let id = stage.place(Instruction::Vibrate, stage.now).await.command_id;
        let mut client = db.client().await.unwrap();
        let mut transaction = client.transaction().await.unwrap();
        let path = |state| match state {
            State::Queued => vec![],
            State::Sent => vec![State::Sent],
            State::Delivered => vec![State::Sent, State::Delivered],
            State::Acknowledged => vec![State::Sent, State::Acknowledged],
            State::Failed => vec![State::Sent, State::Failed],
            State::Expired => vec![State::Expired],
            State::Cancelled => vec![State::Cancelled],
        };
        // Columns as each state wants them, so that only the move can be what is wrong.
        let set = "UPDATE device_command SET state = $2,
            sent_at = CASE WHEN $2 IN ('sent', 'delivered', 'acknowledged') THEN now() END,
            delivered_at = CASE WHEN $2 = 'delivered' THEN now() END,
            acknowledged_at = CASE WHEN $2 = 'acknowledged' THEN now() END,
            ended_at = CASE WHEN $2 IN ('acknowledged', 'failed', 'expired', 'cancelled') THEN now() END,
            outcome = CASE WHEN $2 IN ('acknowledged', 'failed', 'expired', 'cancelled') THEN 'done' ELSE '' END
            WHERE command_id = $1";
        for from in State::ALL {
            for to in State::ALL {
                let savepoint = transaction.savepoint("pair").await.unwrap();
                for step in path(from) {
                    savepoint.execute(set, &[&id, &step.as_str()]).await.unwrap();
                }
                let moved = savepoint.execute(set, &[&id, &to.as_str()]).await;
                let allowed = from.may_become(to) || (from == to && !from.is_end());
                assert_eq!(moved.is_ok(), allowed, "{from} -> {to}: {moved:?}");
                if let Err(error) = moved {
                    let error = casedb::Error::from(error);
                    assert_eq!(
                        error.constraint(),
                        Some("device_command_move"),
                        "{from} -> {to}: {error}"
                    );
                }
                savepoint.rollback().await.unwrap();
            }
        }
        let savepoint = transaction.savepoint("fixed").await.unwrap();
        let change = "UPDATE device_command SET purpose = 'court' WHERE command_id = $1";
        let error = casedb::Error::from(savepoint.execute(change, &[&id]).await.unwrap_err());
        assert_eq!(error.constraint(), Some("device_command_fixed"), "{error}");
        drop(savepoint);
        drop(transaction);
        drop(client);
        test.drop_now().await.unwrap();
    }
}

/// A device that loses connections, gateways that die, users who change their minds: in the end, it reports as usual again.
#[tokio::test]
async fn no_device_is_left_in_pursuit_mode() {
    for (test, db) in migrated().await.into_iter().take(1) {
        let mut begun = 0;
        for seed in 1..=30_u64 {
            let stage = Stage::set(&db, &format!("device{seed}")).await;
            let client = db.client().await.unwrap();
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut dice = |sides: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) % sides
            };
            let (mut now, mut every, mut lost) = (stage.now, 60, 0);
            for step in 0..60 {
                now += SignedDuration::from_secs(i64::try_from(dice(900)).unwrap());
                let chaos = step < 52;
                match dice(14) {
                    0 if chaos => {
                        let brief = Instruction::Interval {
                            seconds: 5,
                            for_seconds: 300,
                        };
                        stage.place(brief, now).await;
                    }
                    1 if chaos => {
                        stage.place(USUAL, now).await;
                    }
                    2 if chaos => {
                        let sql = "SELECT command_id FROM device_command WHERE device_id = $1 ORDER BY created_at DESC LIMIT 1";
                        if let Some(row) = client.query_opt(sql, &[&stage.device.uuid()]).await.unwrap() {
                            let _ = command::cancel(&db, row.get(0), stage.officer, now).await;
                        }
                    }
                    3..9 => {
                        for sent in stage.claim(now).await {
                            let Instruction::Interval { seconds, .. } = sent.instruction else {
                                continue;
                            };
                            let id = sent.command_id;
                            // Lost on the way, arrived without anybody knowing, or confirmed.
                            match if lost < 3 { dice(5) } else { 3 } {
                                0 => lost += 1,
                                1 => {
                                    every = seconds;
                                    lost += 1;
                                    let broken = Outcome::ConnectionLost;
                                    command::end(&client, id, now, broken, "", None).await.unwrap();
                                }
                                2 => {
                                    assert!(command::release(&client, id, "one").await.unwrap());
                                }
                                _ => {
                                    (every, lost) = (seconds, 0);
                                    assert!(command::deliver(&client, id, now).await.unwrap());
                                    command::end(&client, id, now, Outcome::Done, "", None).await.unwrap();
                                }
                            }
                            begun += usize::from(every == 5);
                        }
                    }
                    _ => stage.sweep(now).await,
                }
            }
            for _ in 0..12 {
                now += SignedDuration::from_mins(20);
                stage.sweep(now).await;
                for sent in stage.claim(now).await {
                    if let Instruction::Interval { seconds, .. } = sent.instruction {
                        every = seconds;
                    }
                    command::deliver(&client, sent.command_id, now).await.unwrap();
                    command::end(&client, sent.command_id, now, Outcome::Done, "", None)
                        .await
                        .unwrap();
                }
            }
            assert_eq!(every, 60, "seed {seed}: {:?}", stage.all().await);
            stage.sweep(now).await;
            let all = stage.all().await;
            assert!(all.iter().all(|(_, state, _)| state.is_end()), "seed {seed}: {all:?}");
        }
        assert!(begun > 10, "{begun} pursuits began");
        test.drop_now().await.unwrap();
    }
}
