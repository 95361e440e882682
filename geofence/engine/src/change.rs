//! A person's rules begin, change, or end.
//!
//! After a change the journal is judged again under the new rules, from the state before its oldest report: a zone that is new
//! knows at once where the person is. No violation begins before the rule that it breaks was in force, and what was told under a
//! rule that is no longer in force stands (it ends with the rule).
//!
//! Rules that come while late reports of a term that is over are still judged ([`crate::ending`]) are a change too: the journal goes
//! on, with the end of that term in it. Zones that are as they were are judged before the end as they were; only attendance begins
//! anew.

use proto::{
    PersonId,
    rules::{Geometry, Rules, RulesError, RulesFault},
    wire::{self, Event},
};

use crate::{
    belief::{SETTLED_SIGMAS, see},
    flat::{Asks, Compiled, FlatZone, Zones},
    fold::{Cause, Engine},
    journal::{Chain, LATE_WINDOW_US, NONE, Snapshot},
    live::{Head, More, MovingZone, Past, PointSet, Rare, Ruled, SharedTracker, Terms},
    outcome::Outcome,
    population::{Cold, ENDED, Extra, MONITORED, MOST_KINDS, chain, pack, unpack},
    proximity::Moving,
    quick::{QUICK_ACCURACY_M, settled},
    timetable::ALWAYS,
    tracker::Tracker,
    violation::{Ended, NEVER},
};

/// Most zones of one person.
const MOST_ZONES: usize = 10_000;

fn too_many(what: &'static str) -> RulesError {
    let most = MOST_KINDS;
    RulesFault::TooManyKinds { what, most }.into()
}

/// Compiled rules that have not been put away.
struct New {
    head: Head,
    terms: Terms,
    more: More,
    compiled: Compiled,
}

/// A zone as it was, to know it again.
struct OldZone {
    zone: FlatZone,
    geometry: Option<Geometry>,
}

impl Engine {
    pub(crate) fn rules(&mut self, wire: &wire::Rules, out: &mut Vec<Event>) -> Outcome {
        let Ok(person) = PersonId::from_wire(&wire.person_id) else {
            return Outcome::Malformed;
        };
        let known = self.register.find(person);
        let newest = known.and_then(|number| self.book.cold.get(number as usize));
        if newest.is_some_and(|cold| wire.revision <= cold.head.revision) {
            return Outcome::RulesStale;
        }
        let rules = match Rules::try_from(wire) {
            Ok(rules) => rules,
            Err(error) => return Outcome::RulesRefused(Box::new(error)),
        };
        let clock_us = self.now_us();
        let over = !rules.active
            || rules
                .valid_until
                .is_some_and(|until| until.as_microsecond() <= clock_us);
        let number = known.unwrap_or_else(|| self.add(person));
        let monitored = self.states.slot(number).is_some_and(|slot| slot.is(MONITORED));
        let ended_us = self.ended_us(number);
        if over {
            // Rules that say when it ended end it then, not when they came.
            let until_us = rules.valid_until.map_or(clock_us, jiff::Timestamp::as_microsecond);
            let until_us = until_us.min(clock_us);
            if monitored || ended_us.is_some_and(|ended_us| until_us < ended_us) {
                self.revoked.push((person, until_us));
                self.end(person, number, until_us, rules.revision, out);
            }
            if let Some(cold) = self.book.cold.get_mut(number as usize) {
                cold.head.revision = rules.revision;
            }
            return Outcome::RulesApplied;
        }
        let in_force_us = if monitored {
            clock_us.max(rules.valid_from.as_microsecond())
        } else if let Some(ended_us) = ended_us {
            ended_us.max(rules.valid_from.as_microsecond())
        } else {
            // The order binds since it is valid; reports older than a day are not judged.
            rules
                .valid_from
                .as_microsecond()
                .max(clock_us.saturating_sub(LATE_WINDOW_US))
        };
        let new = match self.compile(&rules, in_force_us) {
            Ok(new) => new,
            Err(error) => return Outcome::RulesRefused(Box::new(error)),
        };
        if monitored || ended_us.is_some() {
            self.change(person, number, new, in_force_us, out);
        } else {
            self.begin(number, new, in_force_us);
        }
        Outcome::RulesApplied
    }

    pub(crate) fn add(&mut self, person: PersonId) -> u32 {
        let number = self.register.add(person);
        self.states.add();
        self.book.cold.push(Cold::NONE);
        number
    }

    fn compile(&mut self, rules: &Rules, in_force_us: i64) -> Result<New, RulesError> {
        let zones = rules.zones.len() + rules.proximities.len();
        if zones > MOST_ZONES {
            let most = MOST_ZONES;
            return Err(RulesFault::TooManyZones { zones, most }.into());
        }
        let quick_m = quick_reach_m();
        let mut compiled = Compiled::default();
        for zone in &rules.zones {
            let schedule = self.schedule(zone.schedule.as_ref(), &rules.time_zone);
            compiled
                .add(zone, schedule, in_force_us, quick_m)
                .map_err(|crate::zone::ShapeError::Geometry(error)| RulesError::from(RulesFault::from(error)))?;
        }
        let moving = rules
            .proximities
            .iter()
            .map(|proximity| MovingZone {
                zone_id: proximity.zone_id,
                revision: proximity.revision,
                protected: proximity.protected_id,
                distance_m: proximity.distance_m,
                buffer_m: proximity.buffer_m,
                schedule: self.schedule(proximity.schedule.as_ref(), &rules.time_zone),
                in_force_us,
            })
            .collect();
        let more = More {
            layers: rules.layer_ids.iter().map(|id| (*id, in_force_us)).collect(),
            moving,
            kept: std::mem::take(&mut compiled.kept).into(),
            past: Box::default(),
        };
        let mut head = Head {
            revision: rules.revision,
            since_us: self.now_us().max(rules.valid_from.as_microsecond()),
            valid_from_us: rules.valid_from.as_microsecond(),
            valid_until_us: rules.valid_until.map_or(NEVER, jiff::Timestamp::as_microsecond),
            ..Head::NONE
        };
        head.set_order(rules.order_id);
        let terms = Terms {
            interval_s: rules.reporting_interval_s,
            silence_after_s: rules.silence_after_s,
            grace_s: rules.home_exit_grace_s,
            late_return_s: rules.late_return_after_s,
            time_zone: self
                .book
                .time_zone_number(&rules.time_zone)
                .ok_or_else(|| too_many("time zones"))?,
            points: self
                .book
                .points_number(rules.operating_points)
                .ok_or_else(|| too_many("sets of operating points"))?,
            layer_set: self.book.layer_set_number(&more.layers),
        };
        Ok(New {
            head,
            terms,
            more,
            compiled,
        })
    }

    fn schedule(&mut self, rule: Option<&proto::rules::Schedule>, zone: &jiff::tz::TimeZone) -> u32 {
        rule.map_or(ALWAYS, |rule| self.timetables.number(zone, rule))
    }

    /// Puts compiled rules in force.
    fn put_rules(&mut self, number: u32, new: New) {
        let New {
            mut head,
            terms,
            more,
            compiled,
        } = new;
        let Self { book, states, .. } = self;
        head.terms = book.terms_number(terms);
        let known = book.cold.get(number as usize).map_or(0, |cold| cold.head.more);
        head.more = book.put_more(known, more);
        if let Some(cold) = book.cold.get_mut(number as usize) {
            cold.head = head;
        }
        if let Some(slot) = states.slot_mut(number) {
            book.put_zones(slot, number, (&compiled.bounds, &compiled.zones, &compiled.corners));
            slot.set_home(0, None);
        }
    }

    fn begin(&mut self, number: u32, new: New, from_us: i64) {
        let since_us = new.head.since_us;
        self.put_rules(number, new);
        if let Some(slot) = self.states.slot_mut(number) {
            slot.flags = MONITORED;
            slot.heard_us = since_us;
            slot.frontier_us = from_us;
        }
        let mut live = std::mem::take(&mut self.room.live);
        live.frontier_us = from_us;
        live.recent.clear();
        let Self {
            book,
            states,
            timetables,
            journal,
            ..
        } = self;
        if let Some(slot) = states.slot(number)
            && let Some(ruled) = book.ruled(slot, number)
        {
            (live.trackers, live.rare) = fresh(&ruled, from_us, timetables);
        }
        let snapshot = Snapshot {
            made: true,
            frontier_us: from_us,
            trackers: journal.put_trackers(&live.trackers),
            outside: 0,
            rare: (!live.rare.is_idle(from_us)).then(|| Box::new(live.rare.clone())),
        };
        let mut chain = Chain::EMPTY;
        journal.add(&mut chain, NONE, snapshot, None);
        self.set_chain(number, chain);
        self.put_back(number, live, Extra::default());
    }

    fn change(&mut self, person: PersonId, number: u32, mut new: New, in_force_us: i64, out: &mut Vec<Event>) {
        let cause = Cause::clock(person, self.now_us());
        let mut extra = self.states.take_extra(number);
        let Some((slot, mut live)) = self.take_out(number, &mut extra) else {
            return;
        };
        let Some(ruled) = self.book.ruled(&slot, number) else {
            return;
        };
        let resumes = slot.is(ENDED);
        let mut oldest = Vec::new();
        let mut oldest_us = i64::MIN;
        if let Some(chunk) = self
            .book
            .cold
            .get(number as usize)
            .and_then(|cold| self.journal.get(cold.oldest))
        {
            let Snapshot {
                frontier_us,
                trackers,
                outside,
                ..
            } = chunk.snapshot;
            oldest_us = frontier_us;
            let stored = self.journal.trackers(trackers);
            unpack(&mut oldest, stored, outside, frontier_us, &ruled, &mut self.timetables);
        }
        // What stays as it is stays in force since when it was.
        let old: Vec<OldZone> = ruled
            .zones
            .zones
            .iter()
            .map(|zone| OldZone {
                zone: *zone,
                geometry: zone.whole_geometry(&ruled.zones),
            })
            .collect();
        let old_moving: Vec<MovingZone> = ruled.moving().to_vec();
        let head = &mut new.head;
        if !resumes {
            head.since_us = ruled.head.since_us;
        }
        let since_us = head.since_us;
        let mut past: Vec<Past> = ruled.past().to_vec();
        if !resumes && head.valid_from_us > ruled.head.valid_from_us {
            // Another order takes the place of one in force: what was made under that one is judged still.
            past.push(Past {
                order: ruled.head.order,
                from_us: ruled.head.valid_from_us,
                until_us: (head.valid_from_us).min(ruled.head.valid_until_us).min(cause.clock_us),
                ends: false,
            });
            past.sort_by_key(|past| past.until_us);
        }
        past.retain(|past| past.until_us > oldest_us);
        new.more.past = past.into();
        let new_zones = Zones {
            zones: &new.compiled.zones,
            corners: &new.compiled.corners,
            kept: &new.more.kept,
        };
        let new_geometry: Vec<_> = new_zones
            .zones
            .iter()
            .map(|zone| zone.whole_geometry(&new_zones))
            .collect();
        // A rule that is judged by other numbers is another rule: what was judged before is not judged anew by them.
        let same = Sameness::of(
            ruled.terms,
            &new.terms,
            ruled.points,
            self.book.points(new.terms.points),
        );
        let mut from = Vec::with_capacity(new.compiled.zones.len());
        let mut taken = vec![false; old.len()];
        let mut goes_on = vec![false; old.len()];
        for (zone, geometry) in new.compiled.zones.iter_mut().zip(&new_geometry) {
            let found = old
                .iter()
                .zip(&taken)
                .position(|(old, taken)| !taken && same_but_schedule(&old.zone, zone) && old.geometry == *geometry);
            if let Some(index) = found
                && let (Some(old), Some(taken)) = (old.get(index), taken.get_mut(index))
            {
                *taken = true;
                // Nobody is asked to appointments between two terms.
                let anew = resumes && zone.asks == Asks::Attendance;
                if !anew && old.zone.schedule == zone.schedule && same.for_zone(zone.asks) {
                    zone.in_force_us = old.zone.in_force_us;
                    if let Some(goes_on) = goes_on.get_mut(index) {
                        *goes_on = true;
                    }
                }
            }
            from.push(found);
        }
        let mut moving_from = Vec::new();
        for zone in &mut new.more.moving {
            let found = old_moving
                .iter()
                .position(|old| same.proximity && same_moving(old, zone));
            if let Some(old) = found.and_then(|index| old_moving.get(index)) {
                zone.in_force_us = old.in_force_us;
            }
            moving_from.push(found);
        }
        let mut layers = Vec::new();
        for (layer_id, since_us) in &mut new.more.layers {
            let old = ruled.layers_bound().iter().find(|(old, _)| old == layer_id);
            if let (true, Some((_, old_us))) = (same.exclusion, old) {
                *since_us = *old_us;
                layers.push(*layer_id);
            }
        }
        // What goes ends now.
        {
            let mut writer = cause.writer(ruled.head, slot.frontier_us, &mut extra.told, out);
            writer.rules_revision = head.revision;
            writer.order = head.order();
            let at_us = cause.clock_us;
            let fixes = live.recent;
            let mut trackers = live.trackers.iter_mut();
            for (zone, goes_on) in ruled.zones.zones.iter().zip(&goes_on) {
                let buffers = [true, false];
                let skip = 2_usize.saturating_sub(zone.trackers() as usize);
                for (&buffer, tracker) in buffers.iter().skip(skip).zip(trackers.by_ref()) {
                    if !goes_on {
                        tracker.close(&ruled.target(zone, buffer), at_us, &fixes, Ended::Rules, &mut writer);
                    }
                }
            }
            for shared in &mut live.rare.shared {
                if !layers.contains(&shared.layer_id)
                    && let Some((zone, since_us)) = ruled.layer_zone(shared.layer_id, shared.zone_id)
                {
                    let target = ruled.layer_target(zone, shared.buffer, since_us, &mut self.timetables);
                    shared.tracker.close(&target, at_us, &fixes, Ended::Rules, &mut writer);
                }
            }
            for (index, (zone, moving)) in ruled.moving().iter().zip(&mut live.rare.moving).enumerate() {
                if !moving_from.contains(&Some(index)) {
                    for (buffer, tracker) in moving.trackers_mut() {
                        tracker.close(
                            &ruled.moving_target(zone, buffer),
                            at_us,
                            &fixes,
                            Ended::Rules,
                            &mut writer,
                        );
                    }
                }
            }
        }
        self.room.live = live;
        if let Some(slot) = self.states.slot_mut(number).filter(|_| resumes) {
            slot.flags = MONITORED;
            slot.heard_us = since_us;
        }
        let map = Map {
            oldest,
            old_trackers: old.iter().map(|old| old.zone.trackers() as usize).collect(),
            from,
            moving_from,
            layers,
        };
        self.put_rules(number, new);
        self.realign(number, &map);
        if let Some(slot) = self.states.slot_mut(number)
            && in_force_us > cause.clock_us
        {
            // Nothing is asked of the device before the rules begin to hold.
            slot.heard_us = slot.heard_us.max(in_force_us);
        }
        self.judge_all_again(number, cause, extra, out);
    }

    /// Keeps the oldest state of the journal for the zones that stay, and drops the other states: judging again makes them anew.
    fn realign(&mut self, number: u32, map: &Map) {
        let Self {
            book,
            states,
            journal,
            timetables,
            room,
            ..
        } = self;
        let (Some(slot), Some(cold)) = (states.slot(number).copied(), book.cold.get(number as usize)) else {
            return;
        };
        let Some(ruled) = book.ruled(&slot, number) else { return };
        let chain = chain(&slot, cold);
        let Some(first) = journal.get_mut(chain.head) else {
            return;
        };
        let at_us = first.snapshot.frontier_us;
        let (run, known) = (first.snapshot.trackers, first.snapshot.rare.take());
        let (mut trackers, mut rare) = fresh(&ruled, at_us, timetables);
        let mut to = 0;
        for (zone, from) in ruled.zones.zones.iter().zip(&map.from) {
            let count = zone.trackers() as usize;
            if let Some(index) = from {
                let start: usize = map.old_trackers.iter().take(*index).sum();
                for offset in 0..count {
                    if let (Some(new), Some(old)) = (trackers.get_mut(to + offset), map.oldest.get(start + offset)) {
                        let active = timetables.window(zone.schedule, at_us).active;
                        *new = *old;
                        if zone.in_force_us > at_us {
                            new.forget_open(active);
                        }
                    }
                }
            }
            to += count;
        }
        let known = known.map(|rare| *rare).unwrap_or_default();
        rare.conditions = known.conditions;
        rare.shared = known.shared;
        rare.shared
            .retain(|shared: &SharedTracker| map.layers.contains(&shared.layer_id));
        for (moving, from) in rare.moving.iter_mut().zip(&map.moving_from) {
            if let Some(old) = from.and_then(|index| known.moving.get(index)) {
                *moving = *old;
            }
        }
        journal.give_back(run);
        let outside = settled(&ruled.zones, &trackers, 0, None).outside;
        pack(&mut room.packed, &trackers, outside, ruled.zones.zones);
        let run = journal.put_trackers(&room.packed);
        if let Some(first) = journal.get_mut(chain.head) {
            first.snapshot.trackers = run;
            first.snapshot.outside = outside;
            first.snapshot.rare = (!rare.is_idle(at_us)).then(|| Box::new(rare));
        }
        // Protected people are known by their number in the rules.
        let mut renumbered = Vec::new();
        let mut at = chain.head;
        while let Some(chunk) = journal.get_mut(at) {
            for entry in chunk.entries_mut() {
                if let Some(old) = entry.said.protected_index() {
                    let new = map.moving_from.iter().position(|from| *from == Some(old));
                    let number = new.and_then(|new| u16::try_from(new).ok()).unwrap_or(u16::MAX);
                    entry.said = crate::reading::Said::protected(number, entry.said.source());
                    renumbered.push(*entry);
                }
            }
            at = chunk.after;
        }
        for entry in renumbered {
            self.note_fresh(number, Some(&entry));
        }
    }
}

/// How far outside a zone a fix of the fast path may matter, metres.
pub(crate) fn quick_reach_m() -> f64 {
    see(wire::FixSource::Gnss, Some(QUICK_ACCURACY_M), None, 0.0).sigma_m * SETTLED_SIGMAS + 1.0
}

/// Where zones and moving zones of new rules come from.
struct Map {
    /// The trackers before the journal's oldest report, under the old rules.
    oldest: Vec<Tracker>,
    /// How many trackers each old zone had.
    old_trackers: Vec<usize>,
    from: Vec<Option<usize>>,
    moving_from: Vec<Option<usize>>,
    layers: Vec<proto::LayerId>,
}

/// The state of a person of whom nothing is known.
pub(crate) fn fresh(
    ruled: &Ruled<'_>,
    at_us: i64,
    timetables: &mut crate::timetable::Timetables,
) -> (Vec<Tracker>, Rare) {
    let trackers = ruled
        .tracked()
        .map(|(zone, buffer)| Tracker::new(&ruled.target(zone, buffer), at_us, timetables))
        .collect();
    let moving = ruled
        .moving()
        .iter()
        .map(|zone| {
            let tracker = Tracker::new(&ruled.moving_target(zone, false), at_us, timetables);
            let buffer = (zone.buffer_m > 0.0).then_some(tracker);
            Moving::new(tracker, buffer)
        })
        .collect();
    let rare = Rare {
        moving,
        ..Rare::default()
    };
    (trackers, rare)
}

/// Whether the numbers by which zones are judged are the same.
#[expect(clippy::struct_excessive_bools, reason = "one for each sort of zone")]
struct Sameness {
    inclusion: bool,
    attendance: bool,
    exclusion: bool,
    proximity: bool,
}

impl Sameness {
    fn of(old: &Terms, new: &Terms, old_points: &PointSet, new_points: Option<&PointSet>) -> Self {
        let times =
            old.grace_s == new.grace_s && old.late_return_s == new.late_return_s && old.interval_s == new.interval_s;
        let points = |of: fn(&PointSet) -> &crate::belief::Points| {
            new_points.is_some_and(|new_points| of(old_points) == of(new_points))
        };
        Self {
            inclusion: times && points(|set| &set.inclusion),
            attendance: times && points(|set| &set.attendance),
            exclusion: points(|set| &set.exclusion),
            proximity: points(|set| &set.proximity),
        }
    }

    fn for_zone(&self, asks: Asks) -> bool {
        match asks {
            Asks::Inclusion => self.inclusion,
            Asks::Attendance => self.attendance,
            Asks::Exclusion => self.exclusion,
            Asks::Neutral => true,
        }
    }
}

fn same_but_schedule(a: &FlatZone, b: &FlatZone) -> bool {
    a.zone_id == b.zone_id
        && a.revision == b.revision
        && a.asks == b.asks
        && a.buffer_m.to_bits() == b.buffer_m.to_bits()
}

fn same_moving(a: &MovingZone, b: &MovingZone) -> bool {
    a.zone_id == b.zone_id
        && a.revision == b.revision
        && a.protected == b.protected
        && a.distance_m.to_bits() == b.distance_m.to_bits()
        && a.buffer_m.to_bits() == b.buffer_m.to_bits()
        && a.schedule == b.schedule
}
