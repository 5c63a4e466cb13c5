#include "base/timestamp.h"

#include <stdio.h>
#include <string.h>

/* Exactly `n` digits from *s on; *s is left behind them. */
static bool number(const char **s, int n, int low, int high, int *ret)
{
	int value = 0;

	for (; n > 0; n--, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		value = value * 10 + (**s - '0');
	}
	*ret = value;
	return value >= low && value <= high;
}

static bool mark(const char **s, const char *any)
{
	if (!**s || !strchr(any, **s))
		return false;
	(*s)++;
	return true;
}

static int days_in(int year, int month)
{
	static const int DAYS[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return DAYS[month - 1] + (month == 2 && leap);
}

/* Days from 1970-01-01 in the Gregorian calendar; a year is counted from March here. */
static int64_t days_since_1970(int year, int month, int day)
{
	int64_t y = month > 2 ? year : year - 1;
	int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return y * 365 + y / 4 - y / 100 + y / 400 + of_year - 719468;
}

/* ".123": is anything behind the point not 0? */
static bool fraction(const char **s, bool *ret)
{
	const char *p = *s;

	*ret = false;
	if (*p != '.')
		return true;
	for (p++; *p >= '0' && *p <= '9'; p++)
		*ret = *ret || *p != '0';
	if (p == *s + 1)
		return false;
	*s = p;
	return true;
}

static bool zone(const char **s, int *ret_minutes)
{
	bool west = **s == '-';
	int hours, minutes;

	*ret_minutes = 0;
	if (mark(s, "Zz"))
		return true;
	if (!mark(s, "+-") || !number(s, 2, 0, 23, &hours) || !mark(s, ":") ||
	    !number(s, 2, 0, 59, &minutes))
		return false;
	*ret_minutes = (west ? -1 : 1) * (hours * 60 + minutes);
	return true;
}

int timestamp_parse(const char *s, int64_t *ret)
{
	int year, month, day, hour, minute, second, offset;
	bool more;

	if (!number(&s, 4, 1, 9999, &year) || !mark(&s, "-") || !number(&s, 2, 1, 12, &month) ||
	    !mark(&s, "-") || !number(&s, 2, 1, days_in(year, month), &day) || !mark(&s, "Tt ") ||
	    !number(&s, 2, 0, 23, &hour) || !mark(&s, ":") || !number(&s, 2, 0, 59, &minute) ||
	    !mark(&s, ":") || !number(&s, 2, 0, 60, &second) || !fraction(&s, &more) ||
	    !zone(&s, &offset) || *s)
		return -EINVAL;
	*ret = ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute - offset) * 60 +
	       second + more;
	return 0;
}

/* days_since_1970() turned round, era by era of 400 years (Howard Hinnant's civil_from_days). */
static void date_of(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t march = (5 * of_year + 2) / 153;

	*ret_day = (int)(of_year - (153 * march + 2) / 5 + 1);
	*ret_month = (int)(march < 10 ? march + 3 : march - 9);
	*ret_year = (int)(year + era * 400 + (*ret_month <= 2));
}

const char *timestamp_format(int64_t seconds, char buf[static TIMESTAMP_MAX])
{
	const int64_t first = days_since_1970(1, 1, 1) * 86400;
	const int64_t last = days_since_1970(10000, 1, 1) * 86400 - 1;
	int year, month, day, rest;
	int64_t days;

	seconds = MIN_OF(MAX_OF(seconds, first), last);
	days = (seconds >= 0 ? seconds : seconds - 86399) / 86400;
	rest = (int)(seconds - days * 86400);
	date_of(days, &year, &month, &day);
	(void)snprintf(buf, TIMESTAMP_MAX, "%04d-%02d-%02dT%02d:%02d:%02dZ", year % 10000, month % 100,
		       day % 100, rest / 3600 % 100, rest / 60 % 60, rest % 60);
	return buf;
}
