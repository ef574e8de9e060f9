#include "control-plane/xpuctl/table.h"

#include <algorithm>
#include <ostream>
#include <utility>

#include "absl/strings/ascii.h"

namespace xpu {
namespace {

constexpr size_t kGap = 3;

// Characters, not octets: continuation octets of UTF-8 take no room.
size_t WidthOf(const std::string& text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

std::string Clean(std::string text) {
  for (char& c : text) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = '?';
  }
  return text.empty() ? "<none>" : text;
}

}  // namespace

Table::Table(std::vector<std::string> headings) : headings_(std::move(headings)), widths_(headings_.size()) {
  for (std::string& heading : headings_) absl::AsciiStrToUpper(&heading);
  Widen(headings_);
}

void Table::AddRow(std::vector<std::string> cells) {
  cells.resize(headings_.size());
  for (std::string& cell : cells) cell = Clean(std::move(cell));
  Widen(cells);
  rows_.push_back(std::move(cells));
}

void Table::Widen(const std::vector<std::string>& row) {
  for (size_t i = 0; i < row.size(); ++i) widths_[i] = std::max(widths_[i], WidthOf(row[i]));
}

void Table::Print(std::ostream& out) const {
  PrintRow(out, headings_);
  for (const auto& row : rows_) PrintRow(out, row);
}

void Table::PrintNew(std::ostream& out) {
  if (!std::exchange(headings_printed_, true)) PrintRow(out, headings_);
  for (; printed_ < rows_.size(); ++printed_) PrintRow(out, rows_[printed_]);
  // Rows that are out are not needed any more.
  rows_.clear();
  printed_ = 0;
  out.flush();
}

void Table::PrintRow(std::ostream& out, const std::vector<std::string>& row) const {
  std::string line;
  for (size_t i = 0; i < row.size(); ++i) {
    line += row[i];
    if (i + 1 < row.size()) line.append(widths_[i] - WidthOf(row[i]) + kGap, ' ');
  }
  out << line << '\n';
}

}  // namespace xpu
