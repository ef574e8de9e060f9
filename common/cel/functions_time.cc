// Parts of timestamps and durations (cel-spec, "Standard Definitions"). Without a time zone it is UTC.
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/cel/functions.h"

namespace xpu::cel {
namespace {

using Result = absl::StatusOr<Value>;

// "+02:00", "-07:30".
std::optional<absl::TimeZone> FixedZone(absl::string_view text) {
  const bool negative = text.substr(0, 1) == "-";
  if (negative || text.substr(0, 1) == "+") text.remove_prefix(1);
  int hours = 0, minutes = 0;
  if (text.size() != 5 || text[2] != ':' || !absl::SimpleAtoi(text.substr(0, 2), &hours) ||
      !absl::SimpleAtoi(text.substr(3), &minutes) || hours < 0 || hours > 23 || minutes < 0 || minutes > 59) {
    return std::nullopt;
  }
  const int seconds = (hours * 60 + minutes) * 60;
  return absl::FixedTimeZone(negative ? -seconds : seconds);
}

absl::StatusOr<absl::TimeZone> ZoneOf(const Call& call) {
  if (call.args.size() < 2) return absl::UTCTimeZone();
  const std::string name(call.text(1).substr(0, 64));
  if (const std::optional<absl::TimeZone> fixed = FixedZone(name)) return *fixed;
  absl::TimeZone zone;
  // Only names of the database, not files.
  const bool plain = !name.empty() && name[0] != '/' && name.find("..") == std::string::npos &&
                     name.find("libc:") != 0 && name.find(':') == std::string::npos;
  if (!call.budget.Spend(100)) return Exhausted();
  if (!plain || !absl::LoadTimeZone(name, &zone)) {
    return BadArgument(
        absl::StrCat("there is no time zone '", name, "'; write UTC, Europe/Berlin or +02:00"));
  }
  return zone;
}

template <int64_t (*Part)(const absl::TimeZone::CivilInfo&)>
Result PartOfTime(const Call& call) {
  XPU_ASSIGN_OR_RETURN(const absl::TimeZone zone, ZoneOf(call));
  return Value(Part(zone.At(*call.args[0].As<absl::Time>())));
}

int64_t FullYear(const absl::TimeZone::CivilInfo& at) { return at.cs.year(); }
int64_t MonthFrom0(const absl::TimeZone::CivilInfo& at) { return at.cs.month() - 1; }
int64_t DayFrom0(const absl::TimeZone::CivilInfo& at) { return at.cs.day() - 1; }
int64_t DayFrom1(const absl::TimeZone::CivilInfo& at) { return at.cs.day(); }
int64_t DayOfYear(const absl::TimeZone::CivilInfo& at) { return absl::GetYearDay(absl::CivilDay(at.cs)) - 1; }
// From Sunday, which is 0.
int64_t DayOfWeek(const absl::TimeZone::CivilInfo& at) {
  return (static_cast<int64_t>(absl::GetWeekday(absl::CivilDay(at.cs))) + 1) % 7;
}
int64_t HoursOfDay(const absl::TimeZone::CivilInfo& at) { return at.cs.hour(); }
int64_t MinutesOfHour(const absl::TimeZone::CivilInfo& at) { return at.cs.minute(); }
int64_t SecondsOfMinute(const absl::TimeZone::CivilInfo& at) { return at.cs.second(); }
int64_t MillisecondsOfSecond(const absl::TimeZone::CivilInfo& at) {
  return absl::ToInt64Milliseconds(at.subsecond);
}

void AddPart(const char* function, Implementation run, Library* library) {
  library->Add(absl::StrCat("timestamp.", function, "() -> int"), run);
  library->Add(absl::StrCat("timestamp.", function, "(string) -> int"), run);
}

template <int64_t (*Count)(absl::Duration)>
Result DurationIn(const Call& call) {
  return Value(Count(*call.args[0].As<absl::Duration>()));
}

}  // namespace

void AddTime(Library* library) {
  AddPart("getFullYear", PartOfTime<FullYear>, library);
  AddPart("getMonth", PartOfTime<MonthFrom0>, library);
  AddPart("getDayOfMonth", PartOfTime<DayFrom0>, library);
  AddPart("getDate", PartOfTime<DayFrom1>, library);
  AddPart("getDayOfYear", PartOfTime<DayOfYear>, library);
  AddPart("getDayOfWeek", PartOfTime<DayOfWeek>, library);
  AddPart("getHours", PartOfTime<HoursOfDay>, library);
  AddPart("getMinutes", PartOfTime<MinutesOfHour>, library);
  AddPart("getSeconds", PartOfTime<SecondsOfMinute>, library);
  AddPart("getMilliseconds", PartOfTime<MillisecondsOfSecond>, library);
  // As kube-apiserver has it: all of the duration in these units, not the part below the next larger one.
  library->Add("duration.getHours() -> int", DurationIn<absl::ToInt64Hours>);
  library->Add("duration.getMinutes() -> int", DurationIn<absl::ToInt64Minutes>);
  library->Add("duration.getSeconds() -> int", DurationIn<absl::ToInt64Seconds>);
  library->Add("duration.getMilliseconds() -> int", DurationIn<absl::ToInt64Milliseconds>);
}

}  // namespace xpu::cel
