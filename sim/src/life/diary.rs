//! One day after the other: where somebody goes, and when.

use crate::{
    chance::Draws,
    life::{Building, DAY_S, Mode, ROOM_M, Spot, at, blocks_between},
    person::{PlannedHours, PlannedShape},
    plane::signed_distance,
    route::Route,
    town::{Crossing, Local},
    world::Builder,
};

const HOUR_S: f64 = 3_600.0;
/// A bus waits at each crossing for so long.
const STOP_S: f64 = 15.0;

/// A life as it is being told.
pub(super) struct Diary<'a> {
    builder: &'a Builder,
    pub(super) draws: Draws,
    pub(super) route: Route,
    pub(super) buildings: Vec<Building>,
    pub(super) indoors: Vec<(f64, f64, usize)>,
    home: Spot,
    work: Spot,
    targets: Vec<Spot>,
    curfew: PlannedHours,
    now_s: f64,
    here: Spot,
}

impl<'a> Diary<'a> {
    pub(super) fn new(
        builder: &'a Builder,
        draws: Draws,
        home: Spot,
        work: Spot,
        targets: Vec<Spot>,
        curfew: PlannedHours,
    ) -> Self {
        Self {
            builder,
            draws,
            route: Route::at(home.place),
            buildings: Vec::new(),
            indoors: Vec::new(),
            home,
            work,
            targets,
            curfew,
            now_s: 0.0,
            here: home,
        }
    }

    /// Tells a day, from midnight to midnight; it ends at home.
    pub(super) fn day(&mut self, day: u32, home_shape: &PlannedShape) {
        let midnight = f64::from(day) * DAY_S;
        let curfew_ends = midnight + self.curfew.until_s as f64 - DAY_S;
        let curfew_begins = midnight + self.curfew.from_s as f64;
        let early = self.draws.happens(0.04);
        let leave = if early {
            curfew_ends - self.draws.between(600.0, 5_400.0)
        } else {
            curfew_ends + self.draws.between(300.0, HOUR_S)
        };
        self.rest(leave);
        if day % 7 < 5 || self.draws.happens(0.3) {
            self.go(self.work);
            let noon = midnight + self.draws.between(11.8, 12.4) * HOUR_S;
            self.rest(noon);
            if self.draws.happens(0.35) {
                let lunch = self.outdoors(1);
                self.go(lunch);
                self.wait(600.0, 1_800.0);
                self.go(self.work);
            }
            let evening = midnight + self.draws.between(16.2, 17.5) * HOUR_S;
            self.rest(evening);
        } else {
            for _ in 0..2 + self.draws.below(3) {
                let errand = self.outdoors(4);
                self.go(errand);
                self.wait(300.0, 5_400.0);
            }
        }
        if self.draws.happens(0.6)
            && let Some(&target) = self.targets.get(self.draws.below(self.targets.len()))
        {
            self.go(target);
            let stay = match self.draws.uniform() {
                0.0..0.15 => self.draws.between(10.0, 90.0),
                0.15..0.6 => self.draws.log_between(100.0, 900.0),
                _ => self.draws.log_between(900.0, 9_000.0),
            };
            self.rest(self.now_s + stay);
        }
        if self.draws.happens(0.06) {
            let elsewhere = self.outdoors(5);
            self.go(elsewhere);
            let late = self.draws.between(600.0, 7_200.0);
            self.rest((curfew_begins + late).max(self.now_s));
        }
        self.go(self.home);
        let out = curfew_begins + self.draws.between(0.3, 2.0) * HOUR_S;
        if self.draws.happens(0.12) && out > self.now_s + 600.0 {
            self.rest(out);
            if self.draws.happens(0.25) {
                self.step_out(home_shape);
            } else {
                let elsewhere = self.outdoors(4);
                self.go(elsewhere);
                self.wait(240.0, 3_600.0);
                self.go(self.home);
            }
        }
        self.rest(midnight + DAY_S);
    }

    /// Stays where one is, indoors in one room after the other.
    fn rest(&mut self, until_s: f64) {
        if until_s <= self.now_s {
            return;
        }
        let Some(building) = self.here.building else {
            self.now_s = until_s;
            return;
        };
        self.indoors.push((self.now_s, until_s, building));
        let mut next = self.now_s + self.draws.between(0.5, 2.5) * HOUR_S;
        while next < until_s - 60.0 {
            let room = at(
                self.here.place,
                self.draws.between(-ROOM_M, ROOM_M),
                self.draws.between(-ROOM_M, ROOM_M),
            );
            self.move_to(next, room, 0.8);
            next += self.draws.between(0.5, 2.5) * HOUR_S;
        }
        self.now_s = until_s;
    }

    fn wait(&mut self, low_s: f64, high_s: f64) {
        let stay = self.draws.log_between(low_s, high_s);
        self.rest(self.now_s + stay);
    }

    /// Goes somewhere along the streets.
    fn go(&mut self, to: Spot) {
        let mode = Mode::drawn(&mut self.draws, blocks_between(self.here.crossing, to.crossing));
        let odd = self.draws.happens(0.3);
        let way = self.builder.town.walk(self.here.crossing, to.crossing, odd);
        for (number, &place) in way.iter().enumerate() {
            // The first and the last steps are on foot.
            let speed = if number == 0 {
                Mode::Foot.speed_mps()
            } else {
                mode.speed_mps()
            };
            self.move_to(self.now_s, place, speed);
            if matches!(mode, Mode::Bus) {
                self.now_s += STOP_S;
            }
        }
        self.move_to(self.now_s, to.place, Mode::Foot.speed_mps());
        self.here = to;
    }

    /// A few metres out of the zone, on foot, and back.
    fn step_out(&mut self, home_shape: &PlannedShape) {
        let angle = self.draws.between(0.0, std::f64::consts::TAU);
        let beyond = self.draws.between(5.0, 40.0);
        let along = |far: f64| at(self.home.place, far * angle.sin(), far * angle.cos());
        let Some(place) = (0..400)
            .map(|metre| along(f64::from(metre)))
            .find(|place| signed_distance(home_shape, *place) >= beyond)
        else {
            return;
        };
        self.move_to(self.now_s, place, Mode::Foot.speed_mps());
        self.now_s += self.draws.between(180.0, 900.0);
        self.move_to(self.now_s, self.home.place, Mode::Foot.speed_mps());
    }

    /// A crossing some blocks off, at the roadside.
    fn outdoors(&mut self, blocks: usize) -> Spot {
        let shifted = |from: usize, by: usize| if from > 7 { from - by } else { from + by };
        let (column, row) = self.here.crossing;
        let by = 1 + self.draws.below(blocks);
        let crossing: Crossing = if self.draws.happens(0.5) {
            (shifted(column, by), row)
        } else {
            (column, shifted(row, by))
        };
        let place: Local = at(self.builder.town.crossing(crossing), 7.0, -6.0);
        Spot {
            crossing,
            place,
            building: None,
        }
    }

    fn move_to(&mut self, start_s: f64, place: Local, speed_mps: f64) {
        self.route.go(start_s, place, speed_mps);
        self.now_s = self.route.last().0;
    }
}
