from .oracles import BudgetOracle as BudgetOracle
from .sizing import design as design
from .space.student_space import StudentSpace as StudentSpace
from .strategies import SearchStrategy as SearchStrategy
from .strategies import register_strategy as register_strategy
from .tuner import SizingTuner as SizingTuner
from .weight_inheritance import inherit as inherit
