#include "control-plane/apiserver/http/metrics_text.h"

#include "absl/strings/str_cat.h"

namespace xpu::apiserver {

void MetricsText::Begin(const std::string& name, absl::string_view type, absl::string_view help) {
  if (!begun_.insert(name).second) return;
  absl::StrAppend(&text_, "# HELP xpu_apiserver_", name, " ", help, "\n# TYPE xpu_apiserver_", name, " ",
                  type, "\n");
}

void MetricsText::Gauge(const std::string& name, absl::string_view help, uint64_t value) {
  Begin(name, "gauge", help);
  absl::StrAppend(&text_, "xpu_apiserver_", name, " ", value, "\n");
}

void MetricsText::Counter(const std::string& name, absl::string_view help, absl::string_view labels,
                          uint64_t value) {
  Begin(name, "counter", help);
  absl::StrAppend(&text_, "xpu_apiserver_", name, labels.empty() ? "" : absl::StrCat("{", labels, "}"), " ",
                  value, "\n");
}

}  // namespace xpu::apiserver
