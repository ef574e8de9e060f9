#include "test/bench/figures.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"

namespace xpu::testing {
namespace {

// Caches, the page cache of the programs and connections are warm after that.
constexpr int kWarmUp = 3;

double Rounded(double value) { return std::round(value * 10'000) / 10'000; }

}  // namespace

Distribution Summarise(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  // Between two values in proportion.
  const auto at = [&](double share) {
    const double place = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<size_t>(place);
    const size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (values[above] - values[below]) * (place - static_cast<double>(below));
  };
  return {.median = at(0.5), .p10 = at(0.1), .p90 = at(0.9)};
}

std::string ToJson(const std::vector<Figure>& figures) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Figure& figure : figures) {
    list.push_back({{"metric", figure.metric},
                    {"unit", figure.unit},
                    {"ours", Rounded(figure.ours.median)},
                    {"peer", figure.peer},
                    {"theirs", Rounded(figure.theirs.median)},
                    {"ratio", Rounded(figure.ratio())}});
  }
  return list.dump(2) + "\n";
}

std::string ToTable(const std::vector<Figure>& figures) {
  size_t metric = 6;
  for (const Figure& figure : figures) metric = std::max(metric, figure.metric.size());
  const auto side = [](const Distribution& d) {
    return absl::StrFormat("%9.3f %8.3f–%-8.3f", d.median, d.p10, d.p90);
  };
  std::string table = absl::StrFormat("%-*s  %-4s  %-27s %-27s %7s  %7s  %5s  %s\n", metric, "metric", "unit",
                                      "     ours      p10–p90", "   theirs      p10–p90", "ratio ", "at most",
                                      "runs", "peer");
  for (const Figure& figure : figures) {
    absl::StrAppendFormat(&table, "%-*s  %-4s  %s %s %6.3f%c  %7s  %5d  %s\n", metric, figure.metric,
                          figure.unit, side(figure.ours), side(figure.theirs), figure.ratio(),
                          figure.is_within_limit() ? ' ' : '!',
                          figure.limit == 0 ? "" : absl::StrCat(figure.limit), figure.runs, figure.peer);
  }
  return table;
}

absl::StatusOr<std::vector<Figure>> Compare(const Comparison& comparison, const Side& ours,
                                            const Side& theirs) {
  if (comparison.runs < 1) return absl::InvalidArgumentError("a comparison takes one run at least");
  const size_t metrics = comparison.metrics.size();
  std::vector<std::vector<double>> our_values(metrics);
  std::vector<std::vector<double>> their_values(metrics);
  const auto measure = [&](const Side& side, std::vector<std::vector<double>>& values,
                           bool counts) -> absl::Status {
    XPU_ASSIGN_OR_RETURN(const std::vector<double> measured, side());
    if (measured.size() != metrics) return absl::InternalError("a side measured another number of metrics");
    for (size_t i = 0; counts && i < metrics; ++i) values[i].push_back(measured[i]);
    return absl::OkStatus();
  };
  for (int run = -kWarmUp; run < comparison.runs; ++run) {
    const bool counts = run >= 0;
    const bool ours_first = run % 2 == 0;
    if (ours_first) XPU_RETURN_IF_ERROR(Annotate(measure(ours, our_values, counts), "ours"));
    XPU_RETURN_IF_ERROR(Annotate(measure(theirs, their_values, counts), comparison.peer));
    if (!ours_first) XPU_RETURN_IF_ERROR(Annotate(measure(ours, our_values, counts), "ours"));
  }
  std::vector<Figure> figures;
  for (size_t i = 0; i < metrics; ++i) {
    const auto limit = comparison.limits.find(comparison.metrics[i]);
    figures.push_back({.metric = comparison.metrics[i],
                       .unit = comparison.unit,
                       .peer = comparison.peer,
                       .ours = Summarise(std::move(our_values[i])),
                       .theirs = Summarise(std::move(their_values[i])),
                       .runs = comparison.runs,
                       .limit = limit == comparison.limits.end() ? 0 : limit->second});
  }
  return figures;
}

}  // namespace xpu::testing
