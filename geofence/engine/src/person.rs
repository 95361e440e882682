//! One person: the rules in force, and everything that is known.

use proto::{
    PersonId, ReportId, Revision,
    fix::{Fix, NotJudged, check_time},
    rules::{Rules, RulesError, RulesFault, Zone, ZoneKind},
    wire,
};
use serde::{Deserialize, Serialize};

use crate::{
    belief::OperatingPoints,
    crossing,
    device::{Device, Heard},
    explain::{JudgedFix, RecentFixes, Writer},
    layers::Layers,
    outcome::Outcome,
    schedule::Schedule,
    shared::SharedTracker,
    tracker::{Margins, Step, Target, Tracker},
    violation::{Ended, NEVER},
    zone::{Located, Shape},
};

/// How many reports are remembered to know their copies again. Older copies have an older fix time and are late.
const REMEMBERED: usize = 16;

/// A person's zone, compiled.
#[derive(Debug)]
struct OwnZone {
    zone: Zone,
    shape: Shape,
    schedule: Option<Schedule>,
}

/// What is known of a person; all of it goes into a checkpoint.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Known {
    /// Since when the rules bind.
    pub(crate) since_us: i64,
    /// First bytes of the newest report ids (they are hashes), a ring.
    remembered: [u64; REMEMBERED],
    next: u8,
    /// The newest time that a device gave, of any report.
    last_said_us: i64,
    /// The newest time of a judged fix, as the device gave it.
    last_fix_us: i64,
    fixes: RecentFixes,
    pub(crate) device: Device,
    /// Beside the zones of the rules.
    zones: Vec<Tracker>,
    /// Zones of shared layers that the person is near, by layer and zone.
    pub(crate) shared: Vec<SharedTracker>,
}

/// A person who is monitored.
#[derive(Debug)]
pub(crate) struct Person {
    /// The rules as they came, for the checkpoint.
    pub(crate) wire: wire::Rules,
    pub(crate) rules: Rules,
    zones: Vec<OwnZone>,
    pub(crate) known: Known,
    /// The time under which the engine's timer index has this person; never later than [`Person::due_us`].
    pub(crate) indexed_us: i64,
}

/// What starts a decision.
#[derive(Debug)]
pub(crate) struct Cause<'a> {
    /// The engine's clock.
    pub(crate) clock_us: i64,
    pub(crate) layers: &'a Layers,
    pub(crate) out: &'a mut Vec<wire::Event>,
}

fn compile(rules: &Rules) -> Result<Vec<OwnZone>, RulesError> {
    rules
        .zones
        .iter()
        .map(|zone| {
            let shape = Shape::compile(&zone.geometry)
                .map_err(|crate::zone::ShapeError::Geometry(error)| RulesError::from(RulesFault::from(error)))?;
            let schedule = zone
                .schedule
                .clone()
                .map(|rule| Schedule::new(rules.time_zone.clone(), rule));
            Ok(OwnZone {
                zone: zone.clone(),
                shape,
                schedule,
            })
        })
        .collect()
}

pub(crate) fn margins(rules: &Rules) -> Margins {
    let micros = |seconds: u32| i64::from(seconds) * 1_000_000;
    Margins {
        grace_us: micros(rules.home_exit_grace_s),
        settle_us: micros(rules.reporting_interval_s) + micros(OperatingPoints::DEFAULT.settle_s),
        late_return_us: micros(rules.late_return_after_s),
    }
}

impl OwnZone {
    fn target(&self, margins: Margins) -> Target<'_> {
        Target {
            zone_id: self.zone.zone_id,
            revision: self.zone.revision,
            kind: self.zone.kind,
            shape: &self.shape,
            buffer_m: self.zone.buffer_m,
            schedule: self.schedule.as_ref(),
            attendance: self.zone.attendance,
            margins,
        }
    }
}

impl Known {
    fn new(since_us: i64) -> Self {
        Self {
            since_us,
            remembered: [0; REMEMBERED],
            next: 0,
            last_said_us: i64::MIN,
            last_fix_us: i64::MIN,
            fixes: [None, None],
            device: Device::new(since_us),
            zones: Vec::new(),
            shared: Vec::new(),
        }
    }

    /// Remembers a report; `false` when it was known.
    fn remember(&mut self, report_id: ReportId) -> bool {
        let key = report_id
            .as_bytes()
            .first_chunk()
            .map_or(0, |first| u64::from_le_bytes(*first));
        if self.remembered.contains(&key) {
            return false;
        }
        if let Some(slot) = self.remembered.get_mut(usize::from(self.next) % REMEMBERED) {
            *slot = key;
        }
        self.next = (self.next + 1) % 16;
        true
    }
}

impl Person {
    /// Begins to monitor a person.
    pub(crate) fn begin(wire: &wire::Rules, rules: Rules, clock_us: i64) -> Result<Self, RulesError> {
        let since_us = clock_us.max(rules.valid_from.as_microsecond());
        let zones = compile(&rules)?;
        let margins = margins(&rules);
        let mut known = Known::new(since_us);
        known.zones = zones
            .iter()
            .map(|zone| Tracker::new(&zone.target(margins), since_us))
            .collect();
        Ok(Self {
            wire: wire.clone(),
            rules,
            zones,
            known,
            indexed_us: NEVER,
        })
    }

    /// Puts a person back from a checkpoint.
    pub(crate) fn restore(wire: wire::Rules, known: Known) -> Result<Self, RulesError> {
        let rules = Rules::try_from(&wire)?;
        let zones = compile(&rules)?;
        Ok(Self {
            wire,
            rules,
            zones,
            known,
            indexed_us: NEVER,
        })
    }

    /// As many trackers as zones: what a checkpoint must hold.
    pub(crate) fn is_whole(&self) -> bool {
        self.known.zones.len() == self.zones.len()
    }

    fn silence_after_us(&self) -> i64 {
        i64::from(self.rules.silence_after_s) * 1_000_000
    }

    fn valid_until_us(&self) -> i64 {
        self.rules.valid_until.map_or(NEVER, jiff::Timestamp::as_microsecond)
    }

    /// When something happens unless a record comes first.
    pub(crate) fn due_us(&self, layers: &Layers) -> i64 {
        let own = self.known.zones.iter().map(Tracker::due_us);
        let shared = self.known.shared.iter().map(|shared| shared.due_us(layers));
        own.chain(shared)
            .fold(self.valid_until_us(), i64::min)
            .min(self.known.device.due_us(self.silence_after_us()))
    }

    /// Lets everything happen that is due at `due_us`; `false` when the person is no longer monitored.
    pub(crate) fn on_due(&mut self, due_us: i64, cause: Cause<'_>) -> bool {
        if self.valid_until_us() <= due_us {
            let at_us = self.valid_until_us();
            self.forget(at_us, self.rules.revision, cause);
            return false;
        }
        let silence_after_us = self.silence_after_us();
        let margins = margins(&self.rules);
        let Cause { layers, .. } = cause;
        let mut writer = writer(&self.rules, self.rules.revision, cause);
        let Known {
            zones,
            fixes,
            shared,
            device,
            ..
        } = &mut self.known;
        for (own, tracker) in self.zones.iter().zip(zones) {
            if tracker.due_us() <= due_us {
                tracker.on_due(&own.target(margins), due_us, fixes, &mut writer);
            }
        }
        for shared in shared {
            shared.on_due(due_us, fixes, layers, &self.rules, &mut writer);
        }
        device.on_due(due_us, silence_after_us, &mut writer);
        true
    }

    /// Takes a report in.
    pub(crate) fn on_report(&mut self, report_id: ReportId, report: &wire::Report, cause: Cause<'_>) -> Outcome {
        let clock_us = cause.clock_us;
        let valid_from_us = self.rules.valid_from.as_microsecond();
        let believed = check_time(report.fix_time_us, report.received_at_us)
            .and_then(|()| check_time(report.fix_time_us, clock_us));
        let time_us = if believed.is_ok() {
            report.fix_time_us.min(clock_us)
        } else {
            clock_us
        };
        if clock_us < valid_from_us || time_us < valid_from_us {
            return Outcome::NotMonitored;
        }
        if !self.known.remember(report_id) {
            return Outcome::Duplicate;
        }
        let fix = believed.and_then(|()| Fix::new(report.position.as_ref()));
        let late = believed.is_ok() && report.fix_time_us < self.known.last_said_us;
        let newest = report.fix_time_us > self.known.last_fix_us;
        if believed.is_ok() {
            self.known.last_said_us = self.known.last_said_us.max(report.fix_time_us);
        }
        let layers = cause.layers;
        let mut writer = writer(&self.rules, self.rules.revision, cause);
        writer.device = proto::DeviceId::from_wire(&report.device_id).ok();
        writer.late = late;
        writer.trace = wire::Trace {
            fix_time_us: report.fix_time_us,
            received_at_us: report.received_at_us,
            appended_at_us: clock_us,
        };
        let heard = Heard {
            report,
            time_us,
            clock_us,
            late,
            has_fix: fix.is_ok() && newest,
        };
        self.known.device.on_report(heard, &mut writer);
        match fix {
            Ok(fix) if newest => {
                let fix = JudgedFix::new(report_id, report.fix_time_us, time_us, &fix);
                self.judge(fix, layers, &mut writer);
                Outcome::Judged
            }
            Ok(_) => Outcome::Late,
            Err(NotJudged::Absent) => {
                if late {
                    Outcome::Late
                } else {
                    Outcome::Heard
                }
            }
            Err(reason) => Outcome::NotJudged(reason),
        }
    }

    fn judge(&mut self, fix: JudgedFix, layers: &Layers, writer: &mut Writer<'_>) {
        let margins = margins(&self.rules);
        let Known {
            zones,
            fixes,
            shared,
            last_fix_us,
            since_us,
            ..
        } = &mut self.known;
        *last_fix_us = fix.fix_time_us;
        fixes.rotate_right(1);
        if let Some(newest) = fixes.first_mut() {
            *newest = Some(fix);
        }
        let path = crossing::Path::of(fixes);
        // A validated fix is always somewhere.
        let Some(at) = Located::new(fix.lon_lat()) else { return };
        let step = Step {
            fix: &fix,
            at: &at,
            fixes,
        };
        for (own, tracker) in self.zones.iter().zip(zones) {
            let target = own.target(margins);
            if let (ZoneKind::Exclusion, Some(path)) = (own.zone.kind, &path) {
                tracker.on_path(&target, path, fixes, writer);
            }
            tracker.on_fix(&target, step, writer);
        }
        for &layer_id in &self.rules.layer_ids {
            crate::shared::on_fix(
                shared,
                layer_id,
                layers,
                &self.rules,
                *since_us,
                step,
                path.as_ref(),
                writer,
            );
        }
    }

    /// Takes over new rules.
    pub(crate) fn change(&mut self, wire: &wire::Rules, rules: Rules, cause: Cause<'_>) -> Result<(), RulesError> {
        let new_zones = compile(&rules)?;
        let clock_us = cause.clock_us.max(rules.valid_from.as_microsecond());
        let layers = cause.layers;
        if clock_us > cause.clock_us {
            self.known.device.postpone(clock_us);
        }
        let margins = margins(&rules);
        let same_time_zone = rules.time_zone == self.rules.time_zone;
        let mut writer = writer(&rules, rules.revision, cause);
        let known = &mut self.known;
        let mut old: Vec<Option<(OwnZone, Tracker)>> =
            self.zones.drain(..).zip(known.zones.drain(..)).map(Some).collect();
        let mut trackers = Vec::with_capacity(new_zones.len());
        for new in &new_zones {
            let target = new.target(margins);
            let kept = old
                .iter_mut()
                .find(|entry| {
                    entry
                        .as_ref()
                        .is_some_and(|(zone, _)| same_but_schedule(&zone.zone, &new.zone))
                })
                .and_then(Option::take);
            trackers.push(match kept {
                Some((before, mut tracker)) => {
                    if before.zone.schedule != new.zone.schedule || (new.zone.schedule.is_some() && !same_time_zone) {
                        tracker.reschedule(&target, clock_us, &known.fixes, &mut writer);
                    }
                    tracker
                }
                None => Tracker::new(&target, clock_us),
            });
        }
        for (_, mut tracker) in old.into_iter().flatten() {
            tracker.close(writer.decided_at_us, &known.fixes, Ended::Rules, &mut writer);
        }
        known.zones = trackers;
        known.shared.retain_mut(|shared| {
            let stays = rules.layer_ids.contains(&shared.layer_id);
            if !stays {
                shared
                    .tracker
                    .close(writer.decided_at_us, &known.fixes, Ended::Rules, &mut writer);
            }
            stays
        });
        if !same_time_zone {
            for shared in &mut known.shared {
                shared.reschedule(clock_us, &known.fixes, layers, &rules, &mut writer);
            }
        }
        self.zones = new_zones;
        self.wire = wire.clone();
        self.rules = rules;
        Ok(())
    }

    /// Ends all that is open: the person is no longer monitored.
    pub(crate) fn forget(&mut self, at_us: i64, revision: Revision, cause: Cause<'_>) {
        let mut writer = writer(&self.rules, revision, cause);
        let Known {
            zones,
            shared,
            fixes,
            device,
            ..
        } = &mut self.known;
        for tracker in zones
            .iter_mut()
            .chain(shared.iter_mut().map(|shared| &mut shared.tracker))
        {
            tracker.close(at_us, fixes, Ended::EndOfMonitoring, &mut writer);
        }
        device.close(at_us, &mut writer);
    }

    /// A layer has a new revision: its changed zones end what is open in them.
    pub(crate) fn layer_changed(
        &mut self,
        layer_id: proto::LayerId,
        unchanged: impl Fn(proto::ZoneId) -> bool,
        cause: Cause<'_>,
    ) {
        let at_us = cause.clock_us;
        let mut writer = writer(&self.rules, self.rules.revision, cause);
        let Known { shared, fixes, .. } = &mut self.known;
        shared.retain_mut(|shared| {
            let stays = shared.layer_id != layer_id || unchanged(shared.zone_id);
            if !stays {
                shared.tracker.close(at_us, fixes, Ended::Rules, &mut writer);
            }
            stays
        });
    }
}

/// A writer for what no report caused.
#[expect(clippy::needless_pass_by_value, reason = "the writer takes over where events go")]
fn writer<'a>(rules: &Rules, revision: Revision, cause: Cause<'a>) -> Writer<'a> {
    Writer {
        person: rules.person_id,
        order: rules.order_id,
        rules_revision: revision,
        decided_at_us: cause.clock_us,
        device: None,
        late: false,
        trace: wire::Trace {
            fix_time_us: 0,
            received_at_us: 0,
            appended_at_us: cause.clock_us,
        },
        out: cause.out,
    }
}

fn same_but_schedule(a: &Zone, b: &Zone) -> bool {
    a.zone_id == b.zone_id
        && a.revision == b.revision
        && a.kind == b.kind
        && a.attendance == b.attendance
        && a.buffer_m.to_bits() == b.buffer_m.to_bits()
        && a.geometry == b.geometry
}

/// The id that a person's rules and reports carry, where it is one.
pub(crate) fn person_id(bytes: &[u8]) -> Option<PersonId> {
    PersonId::from_wire(bytes).ok()
}
