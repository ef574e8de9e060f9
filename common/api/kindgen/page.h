#pragma once

#include <string>

#include "common/api/kinds.h"

namespace xpu::api {

// The reference page of a kind in Markdown: what it is, its names, and a table of fields for spec, for status
// and for each object inside them.
std::string MakePage(const KindInfo& kind);

}  // namespace xpu::api
