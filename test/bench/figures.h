#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace xpu::testing {

// What was measured of one side, and the middle of it.
struct Distribution {
  double median = 0;
  // A tenth of the runs was quicker, a tenth slower.
  double p10 = 0;
  double p90 = 0;
};
// Of at least one value, in any order.
Distribution Summarise(std::vector<double> values);

// One metric, ours beside a peer's.
struct Figure {
  std::string metric;
  std::string unit;
  // What the peer is, for people.
  std::string peer;
  Distribution ours;
  Distribution theirs;
  int runs = 0;
  // What the ratio is to be at most; 0: nothing is promised.
  double limit = 0;

  // Of the medians; below 1 is better than the peer.
  double ratio() const { return ours.median / theirs.median; }
  bool is_within_limit() const { return limit == 0 || ratio() <= limit; }
};

// A list of {"metric", "unit", "ours", "peer", "theirs", "ratio"}: medians.
std::string ToJson(const std::vector<Figure>& figures);
// A table for people, with the limits; a ratio beyond its own is marked with '!'.
std::string ToTable(const std::vector<Figure>& figures);

// Something that can be done over and over and measured each time: one value for each metric.
using Side = std::function<absl::StatusOr<std::vector<double>>()>;

struct Comparison {
  std::vector<std::string> metrics;
  std::string unit;
  std::string peer;
  int runs = 0;
  // Figure::limit by metric; one that is not in it has none.
  std::map<std::string, double> limits = {};
};
// Measures both sides in turns, so that whatever else the machine does falls on both alike; who goes first
// alternates. Begins with some runs that do not count. Ends with the first error of a side.
absl::StatusOr<std::vector<Figure>> Compare(const Comparison& comparison, const Side& ours,
                                            const Side& theirs);

}  // namespace xpu::testing
