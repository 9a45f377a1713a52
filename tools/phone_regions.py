"""Generates shared/domain/src/region/table.rs: the country and the time zones for the first digits of a phone number.

The data is that of Google's libphonenumber (Apache-2.0) in the package phonenumbers, restricted to the zones of each country
in the time zone database (public domain). To update the table, raise the versions below and the version of jiff: a test
asserts that both have the same release of the time zone database.

    python3 -m venv /tmp/phone-regions
    /tmp/phone-regions/bin/pip install phonenumbers==9.0.43 tzdata==2026.6 regex==2026.11.15
    /tmp/phone-regions/bin/python tools/phone_regions.py
    cargo fmt --package domain

The row of a prefix:
- The country is the first country with the country code in which people's numbers may begin with the prefix. A prefix
  without such numbers (unused, or toll-free) has the row of its neighbours. In North America it has the row of the United
  States, because most new area codes are assigned there.
- The zones of a landline number are those of its area. In most countries a mobile number has no area: it gets every zone of
  its country, as in libphonenumber's time zone mapper.
- Areas are distinguished by three digits after the country code, and by more digits only where two countries share these
  digits. A number in a split area gets the zones of both parts, which is also right for a ported number.
- Zones are ordered by their share of the numbers, the largest first.
"""

import importlib.metadata
import importlib.resources
import pathlib
from collections import defaultdict

import regex
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata
from phonenumbers.tzdata import TIMEZONE_DATA

TABLE = pathlib.Path(__file__).resolve().parent.parent / "shared/domain/src/region/table.rs"
# The number of digits after the country code that distinguish areas, and that distinguish countries with a common code.
AREA_DIGITS = 3
SHARED_DIGITS = 6
# libphonenumber's region code for numbers of no single country, such as +800 and +870.
NO_COUNTRY = "001"
# The types of numbers that people have. Toll-free numbers and similar ones get the first country of the country code.
TYPES = ["fixed_line", "mobile", "voip", "personal_number"]
# Country codes whose mobile numbers contain the area: Mexico, Argentina, Brazil, and China, which has one zone.
# libphonenumber's list also has Indonesia, for a few numbers of fixed wireless phones.
AREA_IN_MOBILE = {"52", "54", "55", "86"}
# The current names of zones in the time zone database. libphonenumber lists Kaliningrad under a zone that had the same time
# in the past.
RENAMED = {
    ("AR", "America/Buenos_Aires"): "America/Argentina/Buenos_Aires",
    ("FM", "Pacific/Ponape"): "Pacific/Pohnpei",
    ("FM", "Pacific/Truk"): "Pacific/Chuuk",
    ("GL", "America/Godthab"): "America/Nuuk",
    ("KI", "Pacific/Enderbury"): "Pacific/Kanton",
    ("MN", "Asia/Choibalsan"): "Asia/Ulaanbaatar",
    ("RU", "Europe/Bucharest"): "Europe/Kaliningrad",
}
# Areas whose zones in libphonenumber are older than those in the time zone database (files "southamerica" and
# "northamerica"): libphonenumber gives Recife the time of the island Fernando de Noronha; Pará has had Brasília's time since
# 2008; Chihuahua has had Mexico City's time since 2022, except at the border.
CORRECTED = {
    "5581": ("America/Recife", "America/Noronha"),
    "5591": ("America/Belem",),
    "5593": ("America/Santarem",),
    "5594": ("America/Belem",),
    "52649": ("America/Mexico_City", "America/Chihuahua"),
    "52657": ("America/Chihuahua", "America/Ciudad_Juarez"),
}
for area in ["614", "621", "625", "627", "628", "629", "635", "636", "639", "648", "652", "659"]:
    CORRECTED["52" + area] = ("America/Chihuahua",)


def zones_by_country():
    zones = defaultdict(set)
    for line in importlib.resources.files("tzdata").joinpath("zoneinfo/zone.tab").read_text().splitlines():
        if not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            zones[country].add(zone)
    return zones


COUNTRY_ZONES = zones_by_country()


def may_begin(description, digits):
    pattern = description and description.national_number_pattern
    return bool(pattern and pattern != "NA" and regex.fullmatch(pattern, digits, partial=True))


class CountryCode:
    """The numbers with one country code."""

    def __init__(self, code, countries):
        self.code = str(code)
        self.countries = countries
        self.metadata = {country: PhoneMetadata.metadata_for_region(country) for country in countries}
        # No country code is a prefix of another, so these are only the rows of this code.
        self.rows = {
            prefix: {RENAMED.get((countries[0], zone), zone) for zone in zones}
            for prefix, zones in TIMEZONE_DATA.items()
            if prefix.startswith(self.code)
        }
        self.weight = defaultdict(float)
        for prefix, zones in self.rows.items():
            for zone in zones:
                self.weight[zone] += 10.0 ** -len(prefix) / len(zones)

    def candidates(self, digits):
        """Returns the countries in which people's numbers may begin with these digits."""
        found = []
        for country in self.countries:
            metadata = self.metadata[country]
            leading = metadata.leading_digits
            if leading and not regex.match(leading, digits) and not regex.fullmatch(leading, digits, partial=True):
                continue
            if any(may_begin(getattr(metadata, kind), digits) for kind in TYPES):
                found.append(country)
        return found

    def has_area(self, country, digits):
        metadata = self.metadata[country]
        if not may_begin(metadata.mobile, digits):
            return may_begin(metadata.fixed_line, digits)
        one_plan = metadata.mobile.national_number_pattern == metadata.fixed_line.national_number_pattern
        return one_plan or self.code in AREA_IN_MOBILE

    def zones(self, country, digits):
        own = COUNTRY_ZONES[country]
        if len(own) == 1:
            return tuple(own)
        prefix = self.code + digits
        for area, zones in CORRECTED.items():
            if prefix.startswith(area):
                return zones
        found = set()
        if self.has_area(country, digits):
            found = {zone for row, zones in self.rows.items() if row.startswith(prefix) for zone in zones}
            above = (prefix[:end] for end in range(len(prefix), len(self.code), -1))
            found.update(next((self.rows[row] for row in above if row in self.rows), ()))
        found = found or set(self.rows.get(self.code, ()))
        # The row of a shared country code has the zones of all its countries.
        return tuple(sorted(found & own or own or found, key=lambda zone: (-self.weight[zone], zone)))

    def table(self):
        """Returns the rows by prefix, as (country, zones). Each row differs from that of the next shorter prefix with a row."""
        value = (self.countries[0], self.zones(self.countries[0], ""))
        # In North America new area codes come into use every year. Elsewhere an unknown area has no numbers.
        unused = value if self.code == "1" else None
        rows = fewest_rows(self.tree("", unused), value)
        return {self.code: value} | {self.code + digits: row for digits, row in rows.items()}

    def tree(self, digits, unused):
        """Returns the row of all numbers that begin with these digits, or the ten subtrees, or `unused` if there are none."""
        countries = self.candidates(digits)
        if not countries:
            return unused
        depth = SHARED_DIGITS if len(countries) > 1 else AREA_DIGITS
        if len(digits) >= depth:
            return (countries[0], self.zones(countries[0], digits))
        return [self.tree(digits + digit, unused) for digit in "0123456789"]


def leaves(tree):
    if isinstance(tree, list):
        return [leaf for child in tree for leaf in leaves(child)]
    return [tree] if tree else []


def below(tree, inherited):
    rows = {}
    for digit, child in zip("0123456789", tree):
        rows.update({digit + rest: value for rest, value in fewest_rows(child, inherited).items()})
    return rows


def fewest_rows(tree, inherited):
    """Returns the fewest rows that describe the tree, given the row `inherited` of a shorter prefix."""
    values = leaves(tree)
    if all(value == inherited for value in values):
        return {}
    if not isinstance(tree, list):
        return {"": tree}
    own = max(sorted(set(values)), key=values.count)
    return min(below(tree, inherited), {"": own} | below(tree, own), key=len)


def rust(rows):
    zones = sorted({zone for _, zones in rows.values() for zone in zones})
    sets = sorted({zones for _, zones in rows.values()}, key=lambda names: (len(names), names))
    members, start = [], {}
    for names in sets:
        start[names] = len(members)
        members += [zones.index(name) for name in names]
    lines = [
        "//! Written by `tools/phone_regions.py`: change that, not this.",
        "//!",
        f"//! Source: libphonenumber {importlib.metadata.version('phonenumbers')} (Apache-2.0, Google), and the"
        f" countries' zones of the time zone database {importlib.metadata.version('tzdata')}.",
        "",
        "/// The release of the time zone database. The rules of its zones come with jiff, which must have the same release.",
        "#[cfg(test)]",
        f'pub(super) const RELEASE: &str = "{release()}";',
        "",
        "/// A prefix with its country code, the country, where its zones begin in [`MEMBERS`], and how many they are.",
        "pub(super) type Row = (u32, [u8; 2], u16, u8);",
        "",
        "/// Digits of the longest prefix.",
        f"pub(super) const LONGEST: usize = {max(len(prefix) for prefix in rows)};",
        "",
        "/// In ascending order of the prefixes as numbers.",
        f"pub(super) static ROWS: [Row; {len(rows)}] = [",
    ]
    for prefix, (country, names) in sorted(rows.items(), key=lambda row: int(row[0])):
        lines.append(f'({prefix}, *b"{country}", {start[names]}, {len(names)}),')
    lines += ["];", "", "/// Places in [`ZONES`].", f"pub(super) static MEMBERS: [u16; {len(members)}] = ["]
    lines += [", ".join(str(member) for member in members), "];", ""]
    lines += ["/// As the time zone database names them.", f"pub(super) static ZONES: [&str; {len(zones)}] = ["]
    lines += [f'"{zone}",' for zone in zones] + ["];", ""]
    return "\n".join(lines)


def release():
    """Returns the release of the time zone database in its own notation, such as 2026f for PyPI's version 2026.6."""
    year, number = importlib.metadata.version("tzdata").split(".")
    return year + chr(ord("a") + int(number) - 1)


def main():
    rows = {}
    for code, countries in sorted(COUNTRY_CODE_TO_REGION_CODE.items()):
        if countries != (NO_COUNTRY,):
            rows.update(CountryCode(code, countries).table())
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(rust(rows))
    print(f"{len(rows)} rows")


if __name__ == "__main__":
    main()
