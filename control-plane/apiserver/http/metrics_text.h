#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "absl/strings/string_view.h"

namespace xpu::apiserver {

// Figures of the server in Prometheus' text format, version 0.0.4. Names get the prefix "xpu_apiserver_".
class MetricsText {
 public:
  void Gauge(const std::string& name, absl::string_view help, uint64_t value);
  // `labels` as they stand between the braces; several of one name must follow each other.
  void Counter(const std::string& name, absl::string_view help, absl::string_view labels, uint64_t value);
  std::string Take() { return std::move(text_); }

 private:
  void Begin(const std::string& name, absl::string_view type, absl::string_view help);

  std::string text_;
  std::set<std::string> begun_;
};

}  // namespace xpu::apiserver
