#include "control-plane/xpuctl/table.h"

#include <sstream>

#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(TableTest, ColumnsAreAsWideAsTheirWidestCell) {
  Table table({"Name", "Value", "Note"});
  table.AddRow({"a", "1", "x"});
  table.AddRow({"a long name", "22222222", "y"});
  std::ostringstream out;
  table.Print(out);
  EXPECT_EQ(out.str(),
            "NAME          VALUE      NOTE\n"
            "a             1          x\n"
            "a long name   22222222   y\n");
}

TEST(TableTest, EveryRowHasEveryCell) {
  Table table({"A", "B"});
  table.AddRow({""});
  table.AddRow({"1", "2", "3"});
  std::ostringstream out;
  table.Print(out);
  EXPECT_EQ(out.str(), "A        B\n<none>   <none>\n1        2\n");
}

TEST(TableTest, CellsStayInTheirLine) {
  Table table({"A", "B"});
  table.AddRow({"x\ny\x1b[31m", "z"});
  std::ostringstream out;
  table.Print(out);
  EXPECT_EQ(out.str(), "A          B\nx?y?[31m   z\n");
}

TEST(TableTest, WidthCountsCharactersNotOctets) {
  Table table({"A", "B"});
  table.AddRow({"\xc3\xa4\xc3\xb6", "x"});
  table.AddRow({"abc", "y"});
  std::ostringstream out;
  table.Print(out);
  EXPECT_EQ(out.str(), "A     B\n\xc3\xa4\xc3\xb6    x\nabc   y\n");
}

TEST(TableTest, AGrowingTablePrintsEachRowOnce) {
  Table table({"Name"});
  std::ostringstream out;
  table.PrintNew(out);
  table.AddRow({"a"});
  table.PrintNew(out);
  table.PrintNew(out);
  table.AddRow({"b"});
  table.PrintNew(out);
  EXPECT_EQ(out.str(), "NAME\na\nb\n");
}

}  // namespace
}  // namespace xpu
