//! Days, months and years: from the number of a day to a date and back.

/// Microseconds of a day.
pub(crate) const MICROS_A_DAY: i64 = 86_400_000_000;
/// PostgreSQL counts days from 2000-01-01, which is so many behind 1970-01-01.
pub(crate) const POSTGRES_EPOCH_DAYS: i64 = 10_957;
/// The same in microseconds.
pub(crate) const POSTGRES_EPOCH_MICROS: i64 = POSTGRES_EPOCH_DAYS * MICROS_A_DAY;

/// Days of the 400 years after which the calendar repeats.
const DAYS_OF_ERA: i64 = 146_097;
/// The days from 0000-03-01, where eras begin, to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

/// The year, month and day of the day with this number from 1970-01-01 on, in the Gregorian calendar. The year before 1 is 0.
pub(super) fn date_of(day: i64) -> (i64, i64, i64) {
    let from_era = day + DAYS_TO_1970;
    let (era, day_of_era) = (from_era.div_euclid(DAYS_OF_ERA), from_era.rem_euclid(DAYS_OF_ERA));
    // Leap days come last in their 4, 100 and 400 years, because years begin in March here.
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / (DAYS_OF_ERA - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Five months from March on have 153 days, and so on.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        for (day, date) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (POSTGRES_EPOCH_DAYS, (2000, 1, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (-719_528, (0, 1, 1)),
            (-719_529, (-1, 12, 31)),
            (2_932_896, (9999, 12, 31)),
            (2_932_897, (10_000, 1, 1)),
        ] {
            assert_eq!(date_of(day), date, "{day}");
        }
    }
}
