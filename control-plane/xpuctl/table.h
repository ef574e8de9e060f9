#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace xpu {

// A table for people: columns of equal width, upper-case headings, no lines. Empty cells say "<none>", so
// that every row has the same number of words for awk and its like. Cells are one line: what is not printable
// in them is replaced, as objects may carry anything.
class Table {
 public:
  explicit Table(std::vector<std::string> headings);

  // Short rows are filled up; longer ones are cut.
  void AddRow(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }

  // Headings, then all rows.
  void Print(std::ostream& out) const;

  // For tables that grow while they are read: prints what has been added since the last call, with headings
  // the first time. Columns keep their width until a cell needs more.
  void PrintNew(std::ostream& out);

 private:
  void Widen(const std::vector<std::string>& row);
  void PrintRow(std::ostream& out, const std::vector<std::string>& row) const;

  std::vector<std::string> headings_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<size_t> widths_;
  size_t printed_ = 0;
  bool headings_printed_ = false;
};

}  // namespace xpu
