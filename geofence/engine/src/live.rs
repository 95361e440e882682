//! A person's timeline while it is judged: the same code whether a report has just come or is judged again because an earlier
//! one came late.

use proto::{LayerId, OrderId, PersonId, Revision, ZoneId, rules::OperatingPoints as OrderPoints};
use serde::{Deserialize, Serialize};

use crate::{
    belief::{self, Points, see},
    change::fresh,
    crossing::Path,
    device::Conditions,
    explain::{About, Outline, Writer},
    flat::{Asks, Bounds, FlatZone, Here, Zones},
    journal::{Entry, Recent},
    layers::Layers,
    population::Kept,
    proximity::Moving,
    quick::QUICK_WAY_E7,
    timetable::{ALWAYS, Timetables},
    tracker::{Margins, Step, Target, Tracker},
    violation::{Ended, NEVER},
    zone::layer::LayerZone,
};

/// A protected person from whom to keep away.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct MovingZone {
    pub(crate) zone_id: ZoneId,
    pub(crate) revision: Revision,
    pub(crate) protected: PersonId,
    pub(crate) distance_m: f64,
    pub(crate) buffer_m: f64,
    pub(crate) schedule: u32,
    pub(crate) in_force_us: i64,
}

/// A person's rules beside their zones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    /// Nil: none; [`Head::order`].
    pub(crate) order: OrderId,
    pub(crate) revision: Revision,
    /// Since when the person is monitored.
    pub(crate) since_us: i64,
    pub(crate) valid_from_us: i64,
    pub(crate) valid_until_us: i64,
    /// Number of the [`Terms`] in [`crate::population::Book`].
    pub(crate) terms: u32,
    /// Number of the [`More`] there, counted from 1; 0: there is none.
    pub(crate) more: u32,
}

impl Head {
    /// Of nobody.
    pub(crate) const NONE: Self = Self {
        order: OrderId::new(uuid::Uuid::nil()),
        revision: 0,
        since_us: 0,
        valid_from_us: 0,
        valid_until_us: NEVER,
        terms: 0,
        more: 0,
    };

    pub(crate) fn order(&self) -> Option<OrderId> {
        Some(self.order).filter(|order| !order.uuid().is_nil())
    }

    pub(crate) fn set_order(&mut self, order: Option<OrderId>) {
        self.order = order.unwrap_or(Self::NONE.order);
    }
}

/// What the orders of many people have alike, kept once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Terms {
    pub(crate) interval_s: u32,
    pub(crate) silence_after_s: u32,
    pub(crate) grace_s: u32,
    pub(crate) late_return_s: u32,
    /// Number of the time zone in [`crate::population::Book`].
    pub(crate) time_zone: u16,
    /// Number of the operating points.
    pub(crate) points: u16,
    /// Number of the set of layers.
    pub(crate) layer_set: u16,
}

impl Terms {
    pub(crate) fn silence_after_us(&self) -> i64 {
        i64::from(self.silence_after_s) * 1_000_000
    }
}

/// A term of monitoring that is over. Reports of it that come within [`crate::LATE_WINDOW_US`] of its end are judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Past {
    /// As in [`Head`].
    pub(crate) order: OrderId,
    pub(crate) from_us: i64,
    pub(crate) until_us: i64,
    /// Monitoring ended with it; else another order went on from there.
    pub(crate) ends: bool,
}

impl Past {
    /// Says whether something was made in it.
    pub(crate) fn covers(&self, time_us: i64) -> bool {
        (self.from_us..self.until_us).contains(&time_us)
    }
}

/// What few people have: layers, moving zones, zones that are not flat, and terms that are over.
#[derive(Debug, Clone, Default)]
pub(crate) struct More {
    pub(crate) layers: Box<[(LayerId, i64)]>,
    pub(crate) moving: Box<[MovingZone]>,
    pub(crate) kept: Box<[Kept]>,
    /// In the order of their ends.
    pub(crate) past: Box<[Past]>,
}

impl More {
    pub(crate) fn is_empty(&self) -> bool {
        self.layers.is_empty() && self.moving.is_empty() && self.kept.is_empty() && self.past.is_empty()
    }
}

/// What the thresholds of all sorts of zones are for an order.
#[derive(Debug, Clone)]
pub(crate) struct PointSet {
    pub(crate) order: OrderPoints,
    pub(crate) inclusion: Points,
    pub(crate) attendance: Points,
    pub(crate) exclusion: Points,
    pub(crate) proximity: Points,
}

impl PointSet {
    pub(crate) fn new(order: OrderPoints) -> Self {
        let of = |purpose| belief::points(purpose, &order);
        Self {
            order,
            inclusion: of(belief::Purpose::Inclusion),
            attendance: of(belief::Purpose::Attendance),
            exclusion: of(belief::Purpose::Exclusion),
            proximity: of(belief::Purpose::Proximity),
        }
    }

    #[inline]
    pub(crate) fn of(&self, asks: Asks) -> &Points {
        match asks {
            Asks::Inclusion | Asks::Neutral => &self.inclusion,
            Asks::Attendance => &self.attendance,
            Asks::Exclusion => &self.exclusion,
        }
    }
}

/// Everything that applies to a person.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ruled<'a> {
    pub(crate) head: &'a Head,
    pub(crate) terms: &'a Terms,
    pub(crate) more: Option<&'a More>,
    pub(crate) zones: Zones<'a>,
    /// Boxes of the zones; empty where every zone is to be looked at.
    pub(crate) bounds: &'a [Bounds],
    pub(crate) points: &'a PointSet,
    pub(crate) layers: &'a Layers,
    pub(crate) time_zone: &'a jiff::tz::TimeZone,
}

/// A zone of a layer that the person is near, or was near when the last fix came.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct SharedTracker {
    pub(crate) layer_id: LayerId,
    pub(crate) zone_id: ZoneId,
    pub(crate) buffer: bool,
    pub(crate) tracker: Tracker,
}

/// What few people have of state.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Rare {
    pub(crate) conditions: Conditions,
    /// By layer and zone, a buffer before its zone.
    pub(crate) shared: Vec<SharedTracker>,
    /// Beside the moving zones of the rules.
    pub(crate) moving: Vec<Moving>,
}

impl Rare {
    pub(crate) fn is_idle(&self, timeline_us: i64) -> bool {
        self.shared.is_empty() && self.moving.is_empty() && self.conditions.is_quiet(timeline_us)
    }
}

/// The state of one person, taken out to be worked on.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// Everything up to here is judged.
    pub(crate) frontier_us: i64,
    pub(crate) recent: Recent,
    /// Beside the own zones, a buffer before its zone.
    pub(crate) trackers: Vec<Tracker>,
    pub(crate) rare: Rare,
}

impl Ruled<'_> {
    pub(crate) fn margins(&self) -> Margins {
        let micros = |seconds: u32| i64::from(seconds) * 1_000_000;
        let settle_s = belief::OperatingPoints::DEFAULT.settle_s;
        Margins {
            grace_us: micros(self.terms.grace_s),
            settle_us: micros(self.terms.interval_s) + micros(settle_s),
            late_return_us: micros(self.terms.late_return_s),
            silence_us: micros(self.terms.silence_after_s),
        }
    }

    pub(crate) fn target<'a>(&'a self, zone: &'a FlatZone, buffer: bool) -> Target<'a> {
        Target {
            about: About {
                zone_id: zone.zone_id,
                revision: zone.revision,
                outline: Outline::Own(self.zones, zone),
                widened_m: if buffer { f64::from(zone.buffer_m) } else { 0.0 },
            },
            asks: zone.asks,
            buffer,
            moving: false,
            schedule: zone.schedule,
            in_force_us: zone.in_force_us,
            monitored_us: self.head.since_us,
            margins: self.margins(),
            points: self.points.of(zone.asks),
        }
    }

    pub(crate) fn layer_target<'a>(
        &'a self,
        zone: &'a LayerZone,
        buffer: bool,
        since_us: i64,
        timetables: &mut Timetables,
    ) -> Target<'a> {
        Target {
            about: About {
                zone_id: zone.zone_id,
                revision: zone.revision,
                outline: Outline::Layer(&zone.shape),
                widened_m: if buffer { zone.buffer_m } else { 0.0 },
            },
            asks: Asks::Exclusion,
            buffer,
            moving: false,
            schedule: layer_schedule(zone, self.time_zone, timetables),
            in_force_us: since_us,
            monitored_us: self.head.since_us,
            margins: self.margins(),
            points: &self.points.exclusion,
        }
    }

    pub(crate) fn moving_target(&self, zone: &MovingZone, buffer: bool) -> Target<'_> {
        Target {
            about: About {
                zone_id: zone.zone_id,
                revision: zone.revision,
                outline: Outline::Hidden,
                widened_m: 0.0,
            },
            asks: Asks::Exclusion,
            buffer,
            moving: true,
            schedule: zone.schedule,
            in_force_us: zone.in_force_us,
            monitored_us: self.head.since_us,
            margins: self.margins(),
            points: &self.points.proximity,
        }
    }

    /// The own zones that have trackers, once for each tracker: a buffer, then its zone.
    pub(crate) fn tracked(&self) -> impl Iterator<Item = (&FlatZone, bool)> {
        self.zones.zones.iter().flat_map(|zone| {
            let both = [(zone, true), (zone, false)];
            let skip = 2_usize.saturating_sub(zone.trackers() as usize);
            both.into_iter().skip(skip)
        })
    }

    /// Shared layers, and since when each binds the person.
    pub(crate) fn layers_bound(&self) -> &[(LayerId, i64)] {
        self.more.map_or(&[], |more| &more.layers)
    }

    /// Since when a layer's zone binds the person, the zone being in force since `zone_us`.
    pub(crate) fn layer_since_us(&self, layer_id: LayerId, zone_us: i64) -> i64 {
        let bound = self.layers_bound().iter().find(|(bound, _)| *bound == layer_id);
        bound.map_or(NEVER, |(_, since_us)| zone_us.max(*since_us))
    }

    /// A zone of a layer that binds the person, and since when.
    pub(crate) fn layer_zone(&self, layer_id: LayerId, zone_id: ZoneId) -> Option<(&LayerZone, i64)> {
        let (zone, zone_us) = self.layers.zone(layer_id, zone_id)?;
        Some((zone, self.layer_since_us(layer_id, zone_us)))
    }

    pub(crate) fn moving(&self) -> &[MovingZone] {
        self.more.map_or(&[], |more| &more.moving)
    }

    /// Terms that are over, in the order of their ends.
    pub(crate) fn past(&self) -> &[Past] {
        self.more.map_or(&[], |more| &more.past)
    }

    /// The order to which an instant of the timeline belongs.
    pub(crate) fn order_at(&self, timeline_us: i64) -> Option<OrderId> {
        let past = self.past().iter().find(|past| timeline_us < past.until_us);
        past.map_or_else(
            || self.head.order(),
            |past| Some(past.order).filter(|order| !order.uuid().is_nil()),
        )
    }
}

impl Live {
    /// When something happens on the timeline unless a report comes first.
    pub(crate) fn due_us(&self, ruled: &Ruled<'_>, timetables: &mut Timetables) -> i64 {
        let at_us = self.frontier_us;
        let mut due_us = NEVER;
        for ((zone, buffer), tracker) in ruled.tracked().zip(&self.trackers) {
            due_us = due_us.min(tracker.due_us(&ruled.target(zone, buffer), at_us, timetables));
        }
        for shared in &self.rare.shared {
            if let Some((zone, since_us)) = ruled.layer_zone(shared.layer_id, shared.zone_id) {
                let target = ruled.layer_target(zone, shared.buffer, since_us, timetables);
                due_us = due_us.min(shared.tracker.due_us(&target, at_us, timetables));
            }
        }
        for (zone, moving) in ruled.moving().iter().zip(&self.rare.moving) {
            for (buffer, tracker) in moving.trackers() {
                due_us = due_us.min(tracker.due_us(&ruled.moving_target(zone, buffer), at_us, timetables));
            }
        }
        due_us
    }

    /// Says whether the next timer may tell something by itself. One that only begins or ends the time of a rule which the person
    /// keeps can wait for the next report.
    pub(crate) fn has_alarm(&self, ruled: &Ruled<'_>) -> bool {
        ruled
            .tracked()
            .zip(&self.trackers)
            .any(|((zone, _), tracker)| tracker.has_alarm(zone.asks))
            || !self.rare.shared.is_empty()
            || !self.rare.moving.is_empty()
    }

    /// Lets everything happen that is due up to an instant, in the order of due times.
    pub(crate) fn fire(
        &mut self,
        until_us: i64,
        ruled: &Ruled<'_>,
        timetables: &mut Timetables,
        writer: &mut Writer<'_>,
    ) {
        loop {
            let due_us = self.due_us(ruled, timetables);
            if due_us > until_us || due_us == NEVER {
                return;
            }
            (writer.timeline_us, writer.by) = (due_us, 0);
            let at_us = self.frontier_us;
            let fixes = &self.recent;
            for ((zone, buffer), tracker) in ruled.tracked().zip(&mut self.trackers) {
                let target = ruled.target(zone, buffer);
                if tracker.due_us(&target, at_us, timetables) == due_us {
                    tracker.on_due(&target, due_us, fixes, timetables, writer);
                }
            }
            for shared in &mut self.rare.shared {
                if let Some((zone, since_us)) = ruled.layer_zone(shared.layer_id, shared.zone_id) {
                    let target = ruled.layer_target(zone, shared.buffer, since_us, timetables);
                    if shared.tracker.due_us(&target, at_us, timetables) == due_us {
                        shared.tracker.on_due(&target, due_us, fixes, timetables, writer);
                    }
                }
            }
            for (zone, moving) in ruled.moving().iter().zip(&mut self.rare.moving) {
                for (buffer, tracker) in moving.trackers_mut() {
                    let target = ruled.moving_target(zone, buffer);
                    if tracker.due_us(&target, at_us, timetables) == due_us {
                        tracker.on_due(&target, due_us, fixes, timetables, writer);
                    }
                }
            }
            self.frontier_us = due_us;
        }
    }

    /// Judges an entry that is newer than all before it.
    pub(crate) fn take(
        &mut self,
        entry: &Entry,
        ruled: &Ruled<'_>,
        timetables: &mut Timetables,
        writer: &mut Writer<'_>,
    ) {
        self.fire(entry.time_us, ruled, timetables, writer);
        self.frontier_us = self.frontier_us.max(entry.time_us);
        (writer.timeline_us, writer.by) = (self.frontier_us, entry.order());
        if let Some(index) = entry.said.protected_index() {
            self.on_protected(index, entry, ruled, timetables, writer);
            self.tidy(ruled, timetables);
            return;
        }
        let before = self.recent.newest().copied();
        self.rare.conditions.on_entry(entry, before.as_ref(), writer);
        if entry.is_fix() {
            self.recent.push(*entry);
            self.judge(entry, before.as_ref(), ruled, timetables, writer);
        }
        self.tidy(ruled, timetables);
    }

    /// Makes trackers that are left out of what is stored what they will be when they are read: so the state is the same, bit for
    /// bit, whether it was put away between two entries or not.
    fn tidy(&mut self, ruled: &Ruled<'_>, timetables: &mut Timetables) {
        let mut rest = self.trackers.as_mut_slice();
        for zone in ruled.zones.zones.iter().take(8) {
            let Some((of_zone, others)) = rest.split_at_mut_checked(zone.trackers() as usize) else {
                return;
            };
            let far = of_zone
                .iter()
                .all(|tracker| tracker.is_far() && !tracker.needs_fix(zone.asks));
            if zone.asks == Asks::Exclusion && far {
                of_zone.fill(Tracker::far(&ruled.target(zone, false), self.frontier_us, timetables));
            }
            rest = others;
        }
    }

    /// Lets everything happen that must not wait for a report, up to an instant.
    pub(crate) fn fire_alarms(
        &mut self,
        until_us: i64,
        ruled: &Ruled<'_>,
        timetables: &mut Timetables,
        writer: &mut Writer<'_>,
    ) {
        while self.has_alarm(ruled) {
            let due_us = self.due_us(ruled, timetables);
            if due_us > until_us || due_us == NEVER {
                return;
            }
            self.fire(due_us, ruled, timetables, writer);
        }
    }

    fn judge(
        &mut self,
        entry: &Entry,
        before: Option<&Entry>,
        ruled: &Ruled<'_>,
        timetables: &mut Timetables,
        writer: &mut Writer<'_>,
    ) {
        let seen = seen(entry, before);
        let path = before.and_then(|before| Path::of(before, entry));
        let mut here = Here::new(entry.latitude_e7, entry.longitude_e7);
        let mut trackers = self.trackers.iter_mut();
        let fixes = &self.recent;
        // The fast path's reason, here too: a zone of which the person is settled outside, and whose box neither the fix nor the way
        // to it touches, learns nothing from it.
        let way = before
            .filter(|before| entry.is_good() && before.way_e7(entry) <= QUICK_WAY_E7)
            .map(|before| before.way(entry));
        for (number, zone) in ruled.zones.zones.iter().enumerate() {
            if zone.trackers() == 0 {
                continue;
            }
            if let (Some(way), Some(bounds)) = (&way, ruled.bounds.get(number))
                && !bounds.touches(way)
                && let count = zone.trackers() as usize
                && let Some(of_zone) = trackers.as_slice().get(..count)
                && of_zone
                    .iter()
                    .all(|tracker| tracker.is_far() && !tracker.needs_fix(zone.asks))
            {
                trackers.by_ref().take(count).for_each(drop);
                continue;
            }
            let buffer = if zone.trackers() == 2 { trackers.next() } else { None };
            let Some(tracker) = trackers.next() else { return };
            let target = ruled.target(zone, false);
            if let (Asks::Exclusion, Some(path)) = (zone.asks, &path)
                && tracker.may_be_crossed(&target, path)
                && let Some(crossing) = path.crosses(target.about.outline)
            {
                Tracker::on_crossing(&target, path, &crossing, fixes, timetables, writer);
            }
            let signed_distance_m = zone.signed_distance_m(&ruled.zones, &mut here);
            let step = Step {
                at_us: entry.time_us,
                signed_distance_m,
                seen: &seen,
                fixes,
            };
            if let Some(buffer) = buffer {
                let step = Step {
                    signed_distance_m: signed_distance_m - f64::from(zone.buffer_m),
                    ..step
                };
                buffer.on_fix(&ruled.target(zone, true), step, timetables, writer);
            }
            tracker.on_fix(&target, step, timetables, writer);
        }
        for (layer_id, _) in ruled.layers_bound() {
            self.judge_layer(
                *layer_id,
                entry,
                &seen,
                path.as_ref(),
                before.is_none(),
                &mut here,
                ruled,
                timetables,
                writer,
            );
        }
        for (zone, moving) in ruled.moving().iter().zip(&mut self.rare.moving) {
            if let Some(measured) = moving.measure(entry, zone.distance_m) {
                moving.judge(zone, &measured, &self.recent, ruled, timetables, writer);
            }
        }
    }

    fn on_protected(
        &mut self,
        index: usize,
        entry: &Entry,
        ruled: &Ruled<'_>,
        timetables: &mut Timetables,
        writer: &mut Writer<'_>,
    ) {
        let own = self.recent.newest().copied();
        if let (Some(zone), Some(moving)) = (ruled.moving().get(index), self.rare.moving.get_mut(index)) {
            moving.saw(entry);
            let measured = own.and_then(|own| moving.measure(&own, zone.distance_m));
            if let Some(measured) = measured {
                moving.judge(zone, &measured, &self.recent, ruled, timetables, writer);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all that judging a fix works on; one caller")]
    fn judge_layer(
        &mut self,
        layer_id: LayerId,
        entry: &Entry,
        seen: &belief::Seen,
        path: Option<&Path>,
        first: bool,
        here: &mut Here,
        ruled: &Ruled<'_>,
        timetables: &mut Timetables,
        writer: &mut Writer<'_>,
    ) {
        let Some(layer) = ruled.layers.get(layer_id) else {
            return;
        };
        let reach_m = 100.0 + 8.0 * seen.sigma_m + path.map_or(0.0, Path::length_m) + layer.buffer_m();
        let Some(at) = here.located().copied() else { return };
        let mut near: Vec<&LayerZone> = Vec::new();
        layer.near(&at, reach_m, &mut near);
        near.extend(
            self.rare
                .shared
                .iter()
                .filter(|known| known.layer_id == layer_id)
                .filter_map(|known| layer.zone(known.zone_id)),
        );
        near.sort_unstable_by_key(|zone| zone.zone_id);
        near.dedup_by_key(|zone| zone.zone_id);
        for zone in near {
            if zone.kind == proto::rules::ZoneKind::Neutral {
                continue;
            }
            let since_us = ruled.layer_since_us(layer_id, ruled.layers.since_us(layer_id, zone.zone_id));
            let signed_distance_m = zone.shape.signed_distance_located_m(&at);
            let buffers: &[bool] = if zone.buffer_m > 0.0 { &[true, false] } else { &[false] };
            for &buffer in buffers {
                let target = ruled.layer_target(zone, buffer, since_us, timetables);
                let key = (layer_id, zone.zone_id, !buffer);
                let found = self
                    .rare
                    .shared
                    .binary_search_by_key(&key, |known| (known.layer_id, known.zone_id, !known.buffer));
                let mut tracker = match found.ok().and_then(|index| self.rare.shared.get(index)) {
                    Some(known) => known.tracker,
                    // Of somebody's first fix nothing is known, as of own zones; later, what is near is news.
                    None if first => Tracker::new(&target, self.frontier_us, timetables),
                    None => Tracker::far(&target, self.frontier_us, timetables),
                };
                if let Some(path) = path
                    && tracker.may_be_crossed(&target, path)
                    && let Some(crossing) = path.crosses(target.about.outline)
                {
                    Tracker::on_crossing(&target, path, &crossing, &self.recent, timetables, writer);
                }
                let step = Step {
                    at_us: entry.time_us,
                    signed_distance_m: signed_distance_m - target.about.widened_m,
                    seen,
                    fixes: &self.recent,
                };
                tracker.on_fix(&target, step, timetables, writer);
                match found {
                    Ok(index) if tracker.is_far() => {
                        self.rare.shared.remove(index);
                    }
                    Ok(index) => {
                        if let Some(known) = self.rare.shared.get_mut(index) {
                            known.tracker = tracker;
                        }
                    }
                    Err(index) if !tracker.is_far() => self.rare.shared.insert(
                        index,
                        SharedTracker {
                            layer_id,
                            zone_id: zone.zone_id,
                            buffer,
                            tracker,
                        },
                    ),
                    Err(_) => {}
                }
            }
        }
    }

    /// Ends the terms that are over by an instant and whose end the timeline has not passed.
    pub(crate) fn pass_ends(
        &mut self,
        until_us: i64,
        ruled: &Ruled<'_>,
        timetables: &mut Timetables,
        writer: &mut Writer<'_>,
    ) {
        for past in ruled.past() {
            if past.ends && self.frontier_us < past.until_us && past.until_us <= until_us {
                writer.order = ruled.order_at(past.until_us.saturating_sub(1));
                self.end(past.until_us, ruled, timetables, writer);
            }
        }
        if !ruled.past().is_empty() {
            writer.order = ruled.order_at(until_us);
        }
    }

    /// The term ends: what is due before has happened, what is open ends, and nothing of it is known from then on.
    pub(crate) fn end(&mut self, end_us: i64, ruled: &Ruled<'_>, timetables: &mut Timetables, writer: &mut Writer<'_>) {
        self.fire_alarms(end_us.saturating_sub(1), ruled, timetables, writer);
        (writer.timeline_us, writer.by) = (end_us, 0);
        self.close(end_us, Ended::EndOfMonitoring, ruled, timetables, writer);
        self.rare.conditions.close(end_us, writer);
        (self.trackers, self.rare) = fresh(ruled, end_us, timetables);
        self.frontier_us = end_us;
    }

    /// Ends all zone violations, when the person goes.
    pub(crate) fn close(
        &mut self,
        at_us: i64,
        ended: Ended,
        ruled: &Ruled<'_>,
        timetables: &mut Timetables,
        writer: &mut Writer<'_>,
    ) {
        for ((zone, buffer), tracker) in ruled.tracked().zip(&mut self.trackers) {
            tracker.close(&ruled.target(zone, buffer), at_us, &self.recent, ended, writer);
        }
        for shared in &mut self.rare.shared {
            if let Some((zone, since_us)) = ruled.layer_zone(shared.layer_id, shared.zone_id) {
                let target = ruled.layer_target(zone, shared.buffer, since_us, timetables);
                shared.tracker.close(&target, at_us, &self.recent, ended, writer);
            }
        }
        for (zone, moving) in ruled.moving().iter().zip(&mut self.rare.moving) {
            for (buffer, tracker) in moving.trackers_mut() {
                tracker.close(&ruled.moving_target(zone, buffer), at_us, &self.recent, ended, writer);
            }
        }
    }
}

/// What a fix says about distances, beside the one before it.
#[inline]
pub(crate) fn seen(entry: &Entry, before: Option<&Entry>) -> belief::Seen {
    let since_us = before.map(|before| entry.time_us.saturating_sub(before.time_us));
    let moved_m = before.map_or(0.0, |before| moved_m(before, entry));
    see(entry.source(), entry.accuracy_m(), since_us, moved_m)
}

/// Metres between two fixes, near enough to tell standing from moving.
fn moved_m(before: &Entry, after: &Entry) -> f64 {
    let north_m = f64::from(after.latitude_e7.saturating_sub(before.latitude_e7)) * 0.011_1;
    let mut east = f64::from(after.longitude_e7) - f64::from(before.longitude_e7);
    if east.abs() > 1.8e9 {
        east -= 3.6e9_f64.copysign(east);
    }
    // The cosine's series: within 1 % up to latitude 60, and no more is asked.
    let latitude = (f64::from(after.latitude_e7) / 1e7).to_radians();
    let square = latitude * latitude;
    let cosine = 1.0 - square / 2.0 + square * square / 24.0 - square * square * square / 720.0;
    let east_m = east * 0.011_1 * cosine;
    (north_m * north_m + east_m * east_m).sqrt()
}

/// Number of the schedule of a layer's zone in the person's time zone.
pub(crate) fn layer_schedule(zone: &LayerZone, time_zone: &jiff::tz::TimeZone, timetables: &mut Timetables) -> u32 {
    zone.schedule
        .as_ref()
        .map_or(ALWAYS, |rule| timetables.number(time_zone, rule))
}
